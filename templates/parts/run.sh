	# ---- running commands

	# isolated COMMAND runs it without descriptors 9, the lock, and 3, the input from the controller: a
	# command may outlive this shell.
	isolated() { "$@" 3<&- 9>&-; }

	mark='' # random, so that no command prints it

	# run COMMAND runs it isolated, with its output passed through relay, followed by $mark and the exit
	# status. So no command has the terminal or the connection to the controller, none fails because
	# nobody reads its output, and background processes are not waited for.
	run() {
		[ -n "$mark" ] || mark=${nonce:-$(od -An -N16 -tx8 /dev/urandom)}
		{
			exec 3<&- 9>&-
			trap : HUP INT TERM # the command may die from them; its status is still reported
			code=0
			"$@" || code=$?
			printf '\n%s %s\n' "$mark" "$code"
		} 2>&1 | relay
	}

	# relay prints lines, for a terminal without escape sequences, control characters and what a carriage
	# return overwrites.
	relay() {
		exec 3<&- 9>&-
		trap '' HUP INT PIPE TERM
		while IFS= read -r line; do
			case $line in
			'') continue ;;
			"$mark "*) exit "${line#"$mark "}" ;;
			*[!\ -~]*) [ -n "$nonce" ] || line=$(printf '%s\n' "$line" | LC_ALL=C sed "$terminal_codes") ;;
			esac
			emit "out $line" "$line" 2>/dev/null
{%- if migrates %}
			[ -z "$copy" ] || printf '%s\n' "$line" >>"$copy"
{%- endif %}
		done
		exit 137 # the command and the shell around it were killed
	}
{%- if migrates %}

	copy='' # a file that gets a copy of what relay prints
{%- endif %}

	terminal_codes='s/\r$//; s/.*\r//; s/\x1b\[[0-?]*[ -/]*[@-~]//g; s/\x1b][^\x07\x1b]*//g
		s/\xc2[\x80-\x9f]//g; s/[\x01-\x08\x0b-\x1f\x7f]//g'
