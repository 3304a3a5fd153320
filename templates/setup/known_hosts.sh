	know_hosts() {
		begin known-hosts
		hosts='' scanned=''
{%- if !pinned.is_empty() %}
		pinned={{ pinned }}
{%- endif %}
{%- for host in known_hosts %}
{%- match host %}
{%- when KnownHost::Scan with { host, port } %}
		scan {{ host }} {{ port.unwrap_or(22) }}
{%- when KnownHost::Pinned with (line) %}
		pin {{ line }}
{%- endmatch %}
{%- endfor %}
		before=$(cat "$kept/known_hosts" 2>/dev/null) || :
		old=$(earlier_hosts 0)
		still=$(earlier_hosts 1)
		keep known_hosts "$hosts" "$before"
		change_ssh add known_hosts "$new_hosts" "$hosts"
		look_after known_hosts "$old" 'hosts that the config no longer names'
		keep known_hosts "$hosts" "$still" "$old"
		finish_step 'Updated known hosts'
	}

	# earlier_hosts 0|1 prints the lines that an earlier setup brought and the config no longer asks
	# for, or still does.
	earlier_hosts() {
		printf '%s\n' "$hosts" "$scanned" '#before' "$before" | awk -v still="$1" '
			/^#before/ { before = 1; next }
			!before { wanted[$0]; next }
			NF && (($0 in wanted) || ($1 in wanted)) == still
		'
	}

	new_hosts='
		NF == 0 { next }
		have { seen[$0] }
		!($0 in seen) { seen[$0]; print }
	'

	# find_known HOST sets $known to the lines of known_hosts that match it.
	find_known() {
		as_user sh -c '
			if [ -f "$2" ] && [ "$(wc -c <"$2")" -le 1048576 ]; then
				ssh-keygen -F "$1" -f "$2" || :
			fi
		' sh "$1" "$home/.ssh/known_hosts"
		known=$(head -c 65536 "$output" | grep -v -e '^#' -e '^@') || known=''
	}

	# compare_keys HOST LINES warns when known_hosts has a different key of the same type for it.
	compare_keys() {
		kinds=$(printf '%s\n' "$2" '#known' "$known" | awk '
			/^#known/ { known = 1; next }
			!known { kinds[$2]; keys[$3]; next }
			$2 in kinds && !($3 in keys) { print $2 }
		' | sort -u | tr '\n' ' ')
		if [ -n "$kinds" ]; then
			warn "known_hosts of $user has another key of $1 (${kinds% }); if that is out of date: sudo -u $user ssh-keygen -R '$1', then setup again"
		fi
	}
{%- if scans %}

	# scan HOST PORT fetches the keys of the host, unless some are known.
	scan() {
		case $2 in
		22) host=$1 ;;
		*) host="[$1]:$2" ;;
		esac
		scanned="$scanned$host
"
		find_known "$host"
		as_user ssh-keyscan -T 15 -p "$2" -- "$1" || :
		found=$(head -c 65536 "$output" | tr -d '\r\000' | HOST="$host " awk 'index($0, ENVIRON["HOST"]) == 1')
		if [ -n "$known" ]; then
			compare_keys "$host" "$found"
		elif [ -n "$found" ]; then
			hosts="$hosts$found
"
		else
			die 1 "ssh-keyscan got no key from $1, port $2"
		fi
	}
{%- endif %}
{%- if !pinned.is_empty() %}

	# pin LINE adds it as it is.
	pin() {
		hosts="$hosts$1
"
		host=${1%%[ ,]*}
		case $host in
		@* | \|* | *[*?]*) ;; # a pattern, or hashed
		*)
			find_known "$host"
			compare_keys "$host" "$(printf '%s\n' "$pinned" | HOST=$host awk 'index("," $1 ",", "," ENVIRON["HOST"] ",")')"
			;;
		esac
	}
{%- endif %}
