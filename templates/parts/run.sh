	# ---- running commands

	# isolated COMMAND: without descriptors 9, the lock, and 3, the controller's orders: a command may
	# outlive this shell.
	isolated() { "$@" 3<&- 9>&-; }

	mark='' # what no command prints

	# run COMMAND: isolated, and what it prints goes through relay, up to $mark and the exit status. So
	# no command holds the terminal or the controller's channel, none fails because nobody reads, and
	# none that stays in the background is waited for.
	run() {
		[ -n "$mark" ] || mark=${nonce:-$(od -An -N16 -tx8 /dev/urandom)}
		{
			exec 3<&- 9>&-
			trap : HUP INT TERM # the command may die of them; this reports it
			code=0
			"$@" || code=$?
			printf '\n%s %s\n' "$mark" "$code"
		} 2>&1 | relay
	}

	# relay shows lines, to a terminal without what it would act on: what a carriage return
	# overwrites, escape sequences, control characters.
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

	copy='' # the file that gets what relay shows, too
{%- endif %}

	terminal_codes='s/\r$//; s/.*\r//; s/\x1b\[[0-?]*[ -/]*[@-~]//g; s/\x1b][^\x07\x1b]*//g
		s/\xc2[\x80-\x9f]//g; s/[\x01-\x08\x0b-\x1f\x7f]//g'
