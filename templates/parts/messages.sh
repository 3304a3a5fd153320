	# ---- messages: text for a person, or marked events for a controller that passed a nonce

	nonce=''   # marks the controller's events; empty when run by hand
	step=start # the current step
	reason=''  # why it failed, if that is known

	# emit EVENT TEXT prints the event to a controller, or the text to a person.
	emit() {
		if [ -n "$nonce" ]; then
			printf '@%s %s\n' "$nonce" "$1" || :
		elif [ -n "$2" ]; then
			printf '%s\n' "$2" || :
		fi
	}

	event() { emit "$1" ''; }

	# begin STEP names the current step.
	begin() {
		step=$1
		event "step $1"
	}

	# report ok|changed|warning TEXT ends the step; a warning does not.
	report() {
		read_clock
		emit "done $step $1 $2" "$(printf '%-7s %s (%s s)' "$1" "$2" "$((now - step_began))")"
		step_began=$now # when the next step begins
	}

	# read_clock sets $now to seconds of the uptime: the wall clock may be set.
	read_clock() {
		read -r now _ </proc/uptime
		now=${now%.*}
	}

	# die STATUS REASON ends the run.
	die() {
		reason=$2
		exit "$1"
	}
