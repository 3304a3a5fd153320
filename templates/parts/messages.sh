	# ---- messages: lines for a person, or marked events for a controller that gave a nonce

	nonce=''   # marks the controller's events; empty when run by hand
	step=start # the step being run
	reason=''  # why it failed, where that is known

	# emit EVENT TEXT: the event to the controller, or the text to a person.
	emit() {
		if [ -n "$nonce" ]; then
			printf '@%s %s\n' "$nonce" "$1" || :
		elif [ -n "$2" ]; then
			printf '%s\n' "$2" || :
		fi
	}

	event() { emit "$1" ''; }

	# begin STEP
	begin() {
		step=$1
		event "step $1"
	}

	# report ok|changed|warning TEXT: the step is over, or goes on after a warning.
	report() {
		read_clock
		emit "done $step $1 $2" "$(printf '%-7s %s (%s s)' "$1" "$2" "$((now - step_began))")"
		step_began=$now # of the next step
	}

	# read_clock sets $now to seconds, by a clock that nobody sets.
	read_clock() {
		read -r now _ </proc/uptime
		now=${now%.*}
	}

	# die STATUS REASON
	die() {
		reason=$2
		exit "$1"
	}
