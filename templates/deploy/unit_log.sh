	# failed_with_log STATUS: a controller takes the output before a failure as its cause, so it gets the
	# log first.
	failed_with_log() {
		[ -z "$nonce" ] || show_log
		failed "$1"
		[ -n "$nonce" ] || show_log
	}

	# show_log prints what $unit logged last since this run restarted it, if the run fails because of the
	# unit.
	show_log() {
		case "$step $reason" in
		*'another host failed') return 0 ;;
		restart\ * | verify\ *) ;;
		*) return 0 ;;
		esac
		if ! isolated sudo -n -l journalctl {{ log_arguments|safe }} >/dev/null 2>&1; then
			run printf '%s\n' "$user may not read the log of $unit here; run setup.sh again, or look as root: journalctl --unit=$unit"
			return 0
		fi
		# The journal may not have the last lines yet.
		log='' before=-
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			[ -z "$log" ] || [ "$log" != "$before" ] || break
			before=$log
			sleep 0.1
			log=$(isolated sudo -n journalctl {{ log_arguments|safe }} 2>/dev/null | isolated log_lines | tail -n 20)
		done
		[ -z "$log" ] || run printf '%s\n' "$log"
	}

	# log_lines prints the lines since the restart, without their times{% if server.env_file.is_some() %}
	# and with the secrets of the env redacted{% endif %}.
	log_lines() {
{%- if server.env_file.is_some() %}
		launcher=$root/current/.pystrano/run
		[ -x "$launcher" ] || launcher='env'
		"$launcher" awk -v since="$restarted" '
			BEGIN {
				for (name in ENVIRON) {
					value = ENVIRON[name]
					if (toupper(name) ~ /PASSW|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|APIKEY|_(KEY|PASS|PWD|DSN)(_|$)|^(KEY|PASS|DSN)(_|$)/) {
						parts = split(value, part, "\n")
						for (i = 1; i <= parts; i++) add(part[i])
					}
					while (match(value, /:\/\/[^:@\/ ]*:[^@ ]+@/)) {
						login = substr(value, RSTART + 3, RLENGTH - 4)
						add(substr(login, index(login, ":") + 1))
						value = substr(value, RSTART + RLENGTH)
					}
				}
			}
			/^[0-9]+\.[0-9]+ / {
				shown = $1 >= since
				sub(/^[^ ]+ [^ ]+ /, "")
			}
			shown {
				for (secret in secrets) {
					kept = ""
					while (at = index($0, secret)) {
						kept = kept substr($0, 1, at - 1) "[secret]"
						$0 = substr($0, at + length(secret))
					}
					$0 = kept $0
				}
				print
			}
			function add(text) {
				if (length(text) >= (text ~ /^[0-9]+$/ ? 6 : 4) && text !~ /^(true|false|none|null)$/) secrets[text]
			}'
{%- else %}
		awk -v since="$restarted" '
			/^[0-9]+\.[0-9]+ / {
				shown = $1 >= since
				sub(/^[^ ]+ [^ ]+ /, "")
			}
			shown'
{%- endif %}
	}
