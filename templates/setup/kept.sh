	# ---- what earlier setups added to the user's .ssh

	# keep NAME LINES... replaces that file in $kept atomically; only root can read it.
	keep() {
		name=$1
		shift
		lines_kept=$(printf '%s\n' "$@" | awk 'NF && !seen[$0]++')
		if [ "$(cat "$kept/$name" 2>/dev/null)" != "$lines_kept" ]; then
			new=$state/new
			(umask 077 && mkdir -p "$kept" && printf '%s\n' "$lines_kept" >"$new")
			mv -f "$new" "$kept/$name"
			new=''
		fi
	}

	# change_ssh ACTION NAME NEW LINES runs edit_ssh, and counts a change.
	change_ssh() {
		code=0
		edit_ssh "$1" "$2" "$3" <<EOF || code=$?
$4
EOF
		case $code in
		0) ;;
		10) outcome=changed ;;
		*) die 1 "$(user_output | tail -n 1)" ;;
		esac
	}

	# look_after NAME LINES WHAT reports lines that an earlier setup added and that are no longer wanted,
	# and with --prune removes them. Sets $old to the lines that stay.
	look_after() {
		[ -n "$2" ] || return 0
		code=0
		edit_ssh find "$1" '' <<EOF || code=$?
$2
EOF
		case $code in
		0) old='' ;;
		10)
			if [ -n "$prune" ]; then
				change_ssh remove "$1" '' "$2"
				old=''
			else
				warn "$1 of $user has $3: $(printf '%s\n' "$2" | awk "$name_of_key"); --prune removes them"
			fi
			;;
		*) die 1 "$(user_output | tail -n 1)" ;;
		esac
	}

	# Prints host or comment and the last characters of the key of each line.
	name_of_key='
		{
			for (i = 1; i <= NF && $i !~ /^AAAA/; i++);
			name = i < NF ? $NF : $1
			printf "%s%s (%s)", (NR > 1 ? ", " : ""), name, "..." substr($i, length($i) - 7)
		}
	'
