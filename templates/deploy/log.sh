	# log RESULT appends a line to revisions.log.
	log() {
		printf '%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ) $release $commit $who $1" >>"$state/revisions.log" || report warning 'Could not write revisions.log'
	}

	# import_legacy_log: earlier versions kept the log in shared.
	import_legacy_log() {
		if [ ! -e "$state/revisions.log" ] && read_shared revisions.log >"$state/log"; then
			mv "$state/log" "$state/revisions.log"
			rm -f "$shared/revisions.log"
		fi
		rm -f "$state/log"
	}

	# read_shared NAME prints a file of shared. The app can write there: links are not followed, a FIFO
	# does not block, and at most 64 MiB are read.
	read_shared() {
		[ -f "$shared/$1" ] && [ ! -L "$shared/$1" ] &&
			isolated dd if="$shared/$1" iflag=nofollow,nonblock,fullblock bs=1M count=64 status=none
	}
