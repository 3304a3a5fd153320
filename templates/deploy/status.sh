	# find_holder sets $holder to who holds the lock, or to nothing. A lock is held while its holder has it open, which is
	# as another descriptor than 9 while the shell runs a command without it.
	find_holder() {
		holder=''
		IFS= read -r holder 2>/dev/null <"$state/lock" || return
		lock=$(readlink -f "$state/lock")
		for descriptor in "/proc/${holder##* }/fd"/*; do
			[ "$(readlink "$descriptor")" != "$lock" ] || return 0
		done
		holder=''
		return 1
	}

	status() {
		stage=looking
		# Looked at first: what is seen after a free lock is final.
		find_holder || :
		find_current
		since=- by=- last=''
		[ ! -f "$shared/revisions.log" ] || while read -r at name sha whom result; do
			last="$at $name $sha $whom $result"
			case "$name $result" in
			"$current deployed" | "$current rolled-back") since=$at by=$whom ;;
			esac
		done <"$shared/revisions.log"
		fact current "${current:--}"
		fact commit "$(commit_of "${current:--}")"
		fact since "$since"
		fact by "$by"
{%- if server.service_file.is_some() %}
		fact unit "$unit $(systemctl is-active "$unit")"
{%- endif %}
		for name in $(good_releases); do
			[ "$name" = "$current" ] || fact release "$name"
		done
		for name in "$releases"/*/.pystrano/unfinished; do
			name=${name%/.pystrano/unfinished}
			[ ! -e "$name/.pystrano/unfinished" ] || [ "${name##*/}" = "$current" ] || fact unfinished "${name##*/}"
		done
		[ -z "$holder" ] || fact lock "$holder"
		[ -z "$last" ] || fact last "$last"
		conclude 0 'done' ''
	}
