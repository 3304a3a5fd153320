	# start_run ACTION RELEASE: from here on every exit goes through finish.
	start_run() {
		[ -z "$nonce" ] || exec 2>&1
		event "start $1 $2"
		read_clock
		step_began=$now
		trap finish EXIT
		trap 'exit 129' HUP
		trap 'exit 130' INT
		trap 'exit 141' PIPE
		trap 'exit 143' TERM
	}

	finish() {
		status=$?
		set +e
		trap - EXIT
		trap '' HUP INT PIPE TERM
		end_run "$status"
	}

	# failed STATUS reports the step that failed, and the reason if it is known.
	failed() {
		emit "fail $step $1 $reason" "$(printf '%-7s %s' failed "$step, exit status $1${reason:+: $reason}")" >&2
	}

	# conclude STATUS OUTCOME TEXT prints the last line and exits.
	conclude() {
		trap - EXIT
		emit "end $1 $2" "$3"
		exit "$1"
	}
