	# ---- promote

	# promote RESULT switches to $release, restarts and verifies. Whatever fails, $current comes back.
	promote() {
		begin promote
		event "fact commit $commit"
		event "fact previous ${current:--}"
		# From here on this run ends what it began, alone if it must.
		trap '' HUP INT PIPE TERM
		number_release
		# The release must be on the disk before the link to it is: power may fail.
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

	# number_release gives $release the next number: releases are listed, gone back to and pruned in
	# the order of their promotions.
	number_release() {
		last=$(cat "$releases"/*/.pystrano/order 2>/dev/null | sort -n | tail -n 1)
		printf '%s\n' "$((${last:-0} + 1))" >"$state/order"
		mkdir -p "$releases/$release/.pystrano"
		mv -f "$state/order" "$releases/$release/.pystrano/"
	}

	# prepare_links makes the links that current will be, the way back, too: on a disk that is full by
	# then it could not be made. They lie beside current, where they lead to a release: the mv of uutils
	# puts no dangling link in the place of one that leads to a directory.
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
