	status() {
		stage=looking
		# Look at the lock first: if it is free, what is read after it is final.
		find_holder
		find_current
		history=$(cat "$state/revisions.log" 2>/dev/null || read_shared revisions.log) || :
		promotion=$(printf '%s\n' "$history" | awk -v current="$current" '$2 == current && $5 ~ /^(deployed|rolled-back)$/ { promotion = $1 " " $4 } END { print promotion }')
		since=${promotion% *}
		by=${promotion#* }
		fact current "${current:--}"
		fact commit "$(commit_of "${current:--}")"
		fact since "${since:--}"
		fact by "${by:--}"
{%- for unit in services %}
		fact_unit {{ unit.name }}
{%- endfor %}
{%- for unit in triggers %}
		fact_unit {{ unit.name }}
{%- endfor %}
		for name in $(good_releases); do
			[ "$name" = "$current" ] || fact release "$name"
		done
		for name in "$releases"/*/.pystrano/unfinished; do
			name=${name%/.pystrano/unfinished}
			name=${name##*/}
			[ "$name" = '*' ] || [ "$name" = "$current" ] || fact unfinished "$name"
		done
		[ -z "$holder" ] || fact lock "$holder"
		[ -z "$history" ] || fact last "$(printf '%s\n' "$history" | tail -n 1)"
		[ -z "$nonce" ] || printf '%s\n' "$history" | tail -n 20 | while read -r line; do event "fact run $line"; done
		[ -z "$facts" ] || report_system "{% if release_venv %}$venv_dir{% else %}$venv{% endif %}"
		conclude 0 'done' ''
	}

{% include "parts/system.sh" %}

	# fact NAME VALUE prints a line of the result.
	fact() { emit "fact $1 $2" "$(printf '%-9s %s' "$1" "$2")"; }
{%- if !services.is_empty() || !triggers.is_empty() %}

	# fact_unit UNIT prints its state, and since when if it is not active.
	fact_unit() {
		active=$(systemctl is-active "$1") || active="$active since $(systemctl show --value --property=StateChangeTimestamp --timestamp=utc "$1")"
		fact unit "$1 $active"
	}
{%- endif %}
