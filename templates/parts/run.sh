	# ---- running commands

	# isolated COMMAND: without descriptors 9, the lock, and 3, the controller's orders: a command may
	# outlive this shell.
	isolated() {
		"$@" 3<&- 9>&-
	}

	# run COMMAND: isolated, and what it prints goes through relay. So no command holds the terminal or
	# the controller's channel, none fails because nobody reads, and none that stays in the background
	# is waited for.
	run() {
		with_status "$@" 2>&1 | relay
	}

	# with_status COMMAND prints $mark and the exit status after all that it printed.
	with_status() {
		exec 3<&- 9>&-
		trap : HUP INT TERM # the command may die of them; this tells of it
		code=0
		"$@" || code=$?
		printf '\n%s %s\n' "$mark" "$code"
	}

	# relay shows the lines on its stdin up to the one with $mark, and ends with the status there.
	relay() {
		exec 3<&- 9>&-
		trap '' HUP INT PIPE TERM
		while IFS= read -r line; do
			case $line in
			'') ;;
			"$mark "*) exit "${line#"$mark "}" ;;
			*) show "$line" 2>/dev/null || : ;;
			esac
		done
		exit 137 # with_status was killed
	}

	# show LINE, without what a terminal would act on.
	show() {
		if [ -n "$nonce" ]; then
			event "out $1"
		else
			case $1 in
			*[!\ -~]*) printf '%s\n' "$1" | LC_ALL=C sed "$terminal_codes" ;;
			*) printf '%s\n' "$1" ;;
			esac
		fi
	}

	# What a carriage return overwrites, escape sequences, control characters.
	terminal_codes='s/\r$//; s/.*\r//; s/\x1b\[[0-?]*[ -/]*[@-~]//g; s/\x1b][^\x07\x1b]*//g
		s/\xc2[\x80-\x9f]//g; s/[\x01-\x08\x0b-\x1f\x7f]//g'
