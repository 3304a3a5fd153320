	status() {
		stage=looking
		# The lock first: what is seen after a free one is final.
		find_holder
		find_current
		history=$(cat "$state/revisions.log" 2>/dev/null || read_shared revisions.log) || :
		read -r since _ _ by _ <<EOF
$(printf '%s\n' "$history" | awk -v current="$current" '$2 == current && $5 ~ /^(deployed|rolled-back)$/ { line = $0 } END { print line }')
EOF
		fact current "${current:--}"
		fact commit "$(commit_of "${current:--}")"
		fact since "${since:--}"
		fact by "${by:--}"
{%- for unit in services %}
		fact unit {{ unit.name }}" $(systemctl is-active {{ unit.name }})"
{%- endfor %}
{%- for unit in triggers %}
		fact unit {{ unit.name }}" $(systemctl is-active {{ unit.name }})"
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
		[ -z "$history" ] || fact last "${history##*
}"
		conclude 0 'done' ''
	}

	# fact NAME VALUE: a line of the result.
	fact() {
		if [ -n "$nonce" ]; then
			event "fact $1 $2"
		else
			printf '%-9s %s\n' "$1" "$2"
		fi
	}
