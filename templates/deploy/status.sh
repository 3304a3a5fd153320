	status() {
		stage=looking
		# The lock first: what is seen after a free one is final.
		find_holder
		find_current
		since=- by=- last=''
		while read -r at name sha whom result; do
			[ -n "$at" ] || continue
			last="$at $name $sha $whom $result"
			case "$name $result" in
			"$current deployed" | "$current rolled-back") since=$at by=$whom ;;
			esac
		done <<EOF
$(cat "$state/revisions.log" 2>/dev/null || read_shared revisions.log)
EOF
		fact current "${current:--}"
		fact commit "$(commit_of "${current:--}")"
		fact since "$since"
		fact by "$by"
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
		[ -z "$last" ] || fact last "$last"
		conclude 0 'done' ''
	}
