	# ---- talking: lines for a person, or marked events for a controller that gave a nonce

	nonce=''      # marks the controller's events; empty when run by hand
	step=start    # the step being run
	step_began='' # when, by hand
	reason=''     # why it failed, where that is known

	# event WORDS: one line to the controller.
	event() {
		[ -z "$nonce" ] || printf '@%s %s\n' "$nonce" "$*" || :
	}

	# begin STEP
	begin() {
		step=$1
		[ -n "$nonce$step_began" ] || step_began=$(date +%s)
		event "step $1"
	}

	# report ok|changed|warning TEXT: the step is over.
	report() {
		if [ -n "$nonce" ]; then
			event "done $step $1 $2"
		else
			now=$(date +%s)
			printf '%-7s %s (%s s)\n' "$1" "$2" "$((now - step_began))" || :
			step_began=$now # of the next step
		fi
	}

	# die STATUS REASON
	die() {
		reason=$2
		exit "$1"
	}
