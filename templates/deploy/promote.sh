	# ---- promote

	# promote RESULT switches to $release, restarts and verifies. On any failure it reverts to $current.
	promote() {
		begin promote
		event "fact commit $commit"
		event "fact previous ${current:--}"
		# From here on signals are ignored: the run finishes by itself, with or without its controller.
		trap '' HUP INT PIPE TERM
		number_release
		# The release must be on disk before the link to it is: the power may fail.
		isolated sync -f "$releases/$release"
		prepare_links
		stage=promoted
		if switch_to next "$release"
{%- if !services.is_empty() %} && restart{% endif %}
{%- if verifies %} && verify{% endif %}
{%- if !server.alone %} && await_verdict{% endif %}; then
			rm -f "$root/.back" || :
			log "$1"
		else
			revert "$?"
		fi
	}

	# number_release gives $release the next number. Releases are listed, rolled back to and pruned in the
	# order of their promotions.
	number_release() {
		last=$(cat "$releases"/*/.pystrano/order 2>/dev/null | sort -n | tail -n 1)
		printf '%s\n' "$((${last:-0} + 1))" >"$state/order"
		mkdir -p "$releases/$release/.pystrano"
		mv -f "$state/order" "$releases/$release/.pystrano/"
	}

	# prepare_links makes the links that will be renamed to current, the one for a revert too: if the disk
	# fills up later, it could not be made then. They lie beside current, where they resolve: the mv of
	# uutils does not replace a link to a directory by a dangling link.
	prepare_links() {
		rm -f "$root/.next" "$root/.back"
		ln -s "releases/$release" "$root/.next"
		[ -z "$current" ] || ln -s "releases/$current" "$root/.back"
	}

	# switch_to next|back RELEASE: one rename switches code and env together.
	switch_to() {
		mv -fT "$root/.$1" "$root/current" &&
			report changed "Promoted $2 to current"
	}
