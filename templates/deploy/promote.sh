	# ---- promote

	# promote switches to $release, restarts and verifies. Whatever fails, $current comes back.
	promote() {
		begin promote
		event "fact commit $commit"
		event "fact previous ${current:--}"
		# From here on this run ends what it began, alone if it must.
		trap '' HUP INT PIPE TERM
		# The release must be on the disk before the link to it is: power may fail.
		isolated sync -f "$releases/$release"
		lay_links
		stage=promoted
		if switch_to next "$release"{{ start|safe }} && hear_verdict; then
			rm -f "$root/.back" || :
			log "$1"
		else
			go_back "$?"
		fi
	}

	# lay_links makes the links that current will be. The way back is there before it is needed:
	# when the disk is full then, it is too late to make one. They lie where they lead somewhere:
	# the mv of uutils puts no dangling link in the place of one that leads to a directory.
	lay_links() {
		rm -f "$root/.next" "$root/.back"
		ln -s "releases/$release" "$root/.next"
		[ -z "$current" ] || ln -s "releases/$current" "$root/.back"
	}

	# switch_to next|back RELEASE: one rename switches code and env together.
	switch_to() {
		mv -fT "$root/.$1" "$root/current" &&
			report changed "Promoted $2 to current"
	}
