	# log RESULT
	log() {
		printf '%s\n' "$(utc_now) $release $commit $who $1" >>"$state/revisions.log" || report warning 'Could not write revisions.log'
	}

	# import_legacy_log: earlier versions kept the log in shared.
	import_legacy_log() {
		if [ -e "$state/revisions.log" ] || [ ! -e "$shared/revisions.log" ]; then
			return
		fi
		if read_shared revisions.log >"$state/log"; then
			mv "$state/log" "$state/revisions.log"
			rm -f "$shared/revisions.log"
		else
			rm -f "$state/log"
		fi
	}

	# read_shared NAME prints a file of shared, where the app can write: no link is followed, no FIFO
	# waited for, and nothing endless read.
	read_shared() {
		[ -f "$shared/$1" ] && [ ! -L "$shared/$1" ] &&
			isolated dd if="$shared/$1" iflag=nofollow,nonblock,fullblock bs=1M count=64 status=none
	}
