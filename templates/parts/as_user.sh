	# ---- acting as the app user

	# as_user COMMAND runs it as the app user.
	as_user() {
		act_as "$user" "$home" "$@"
	}

	# act_as USER HOME COMMAND runs it in a session without a terminal, for at most fifteen minutes. Its
	# output goes to $output, a file of root: programs of another user get neither root's terminal, nor
	# the connection to the controller, nor the lock, and root reads a bounded part of what they print.
	act_as() {
		[ -n "$variables" ] || variables=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p')
		exec 4<&0
		(isolated become "$@") <&4 >"$output" 2>&1 4<&- &
		worker=$!
		exec 4<&-
		code=0
		wait "$worker" || code=$?
		worker=''
		case $code in
		0 | 10) user_failed='' ;;
		124)
			reason="a command of $1 took more than 15 minutes"
			user_failed=yes
			;;
		*) user_failed=yes ;;
		esac
		(exit "$code") # yash would skip the trap after a return
	}

	variables='' # names in root's environment

	# become USER HOME COMMAND: from root's environment it keeps only the locale, PATH and the settings
	# for package indexes and proxies.
	become() {
		for name in $variables; do
			case $name in
			PATH | TZ | LANG | LC_* | *_proxy | *_PROXY | PIP_* | UV_* | SSL_CERT_* | *_CA_BUNDLE) ;;
			*) unset "$name" ;;
			esac
		done
		export USER="$1" LOGNAME="$1" HOME="$2"
		shift 2
		exec setsid -w timeout -k 5 900 runuser -u "$USER" -- "$@"
	}

	# change COMMAND runs it as the app user. COMMAND exits with 10 if it changed something, with 0 if
	# not.
	change() {
		code=0
		as_user "$@" || code=$?
		case $code in
		0) ;;
		10) outcome=changed ;;
		*) (exit "$code") ;;
		esac
	}

	# user_output prints the last lines of the app user's command as plain text.
	user_output() {
		tail -c 4096 "$output" | tail -n 20 | LC_ALL=C tr -c '\011\012\040-\176' '?'
	}

	# edit_ssh ACTION NAME NEW <LINES edits a file of the app user's .ssh as that user. ACTION is add,
	# remove or find; NEW is the awk program that selects the lines to add.
	edit_ssh() {
		as_user sh -c "$edit_lines" sh "$1" "$home/.ssh" "$2" "$3"
	}

	# Exits with 10 if it changed or found something. The file is replaced atomically; only a regular file
	# of at most 1 MiB is read.
	edit_lines='
		set -eu
		umask 077
		action=$1 file=$2/$3 program=$4 changed=0
		if [ ! -d "$2" ]; then
			[ "$action" = add ] || exit 0
			mkdir "$2"
			changed=10
		fi
		if [ ! -e "$file" ] && [ ! -L "$file" ]; then
			[ "$action" = add ] || exit 0
			: >"$file"
			changed=10
		fi
		if [ ! -f "$file" ]; then
			echo "$file is not a regular file; remove it"
			exit 1
		fi
		if [ "$(wc -c <"$file")" -gt 1048576 ]; then
			echo "$file is larger than 1 MiB"
			exit 1
		fi
		real=$(readlink -f "$file")
		new=$real.new
		rm -f "$new" # left by a killed setup
		if [ "$action" = find ]; then
			grep -aqxF -f - "$real" || exit 0
			exit 10
		fi
		if [ "$action" = remove ]; then
			grep -avxF -f - "$real" >"$new" || [ $? = 1 ]
			mv -f "$new" "$real"
			exit 10
		fi
		fresh=$(awk "$program" have=1 "$real" have=0 -)
		if [ -n "$fresh" ]; then
			{
				cat "$real"
				# The last line may lack its newline.
				[ -z "$(tail -c 1 "$real")" ] || echo
				printf "%s\n" "$fresh"
			} >"$new"
			mv -f "$new" "$real"
			changed=10
		fi
		# The modes that sshd(8) recommends.
		if [ -n "$(find -H "$2" "$file" -prune \( -type d \( ! -perm -700 -o -perm /077 \) -o -type f -name authorized_keys ! -perm 600 \))" ]; then
			chmod 700 "$2"
			chmod 600 "$file"
			changed=10
		fi
		exit "$changed"
	'

	# Prints the lines of the second file whose keys the first file does not have. The options that the
	# first file has before a key, such as from="...", stay in force.
	new_keys='
		/^[ \t]*(#|$)/ { next }
		{
			key = $0
			for (i = 1; i <= NF; i++)
				if ($i ~ /^AAAA/) {
					key = ($0 ~ /cert-authority/) " " $i
					break
				}
		}
		have { seen[key] }
		!(key in seen) { seen[key]; print }
	'

	# ensure_owned_dirs DIR... creates the missing ones for the user. The first DIR contains the others.
	ensure_owned_dirs() {
		if ! change sh -c "$make_missing" sh "$@"; then
			reason=$(create_as_root "$1")
			outcome=changed
			change sh -c "$make_missing" sh "$@"
		fi
	}

	make_missing='
		status=0
		for directory; do
			[ -d "$directory" ] && [ -w "$directory" ] && continue
			# Replace an empty directory that root left here.
			rmdir "$directory" 2>/dev/null
			mkdir -p "$directory" 2>/dev/null && [ -w "$directory" ] || exit 1
			status=10
		done
		exit "$status"
	'

	# create_as_root DIR creates it as root where the user may not, and gives it to the user. Prints the
	# reason if it fails.
	create_as_root() (
		walk_as_root "$1"
		if ! is_roots_alone || [ -n "$(find . -prune ! -empty)" ]; then
			case $1 in
			/*/*) printf '%s\n' "$user cannot write $1; name another directory, or if it is for this app alone: chown -R $user: $1" ;;
			*) printf '%s\n' "$user cannot write $1; name a directory below it" ;;
			esac
			exit 1
		fi
		chown "$user:" .
	)

	# walk_as_root DIR changes to it from /, one component at a time, and creates what is missing. The
	# directory it is in cannot be replaced meanwhile, and links are followed only in directories that
	# nobody but root can change. Prints the reason if it fails.
	walk_as_root() {
		cd /
		here=
		IFS=/
		for name in $1; do
			[ -n "$name" ] || continue
			safe=''
			if is_roots_alone; then
				safe=yes
				[ -e "./$name" ] || mkdir "./$name"
			fi
			if ! cd -P "./$name"; then
				printf '%s\n' "$user cannot make $1, and ${here:-/} is not root's alone"
				exit 1
			fi
			if [ -z "$safe" ] && [ "$(pwd -P)" != "$here/$name" ]; then
				printf '%s\n' "$here/$name is a link, and $here is not root's alone"
				exit 1
			fi
			here=$(pwd -P)
		done
		unset IFS
	}

	# is_roots_alone: only root can change the working directory.
	is_roots_alone() {
		[ -n "$(find . -prune -user 0 ! -perm -020 ! -perm -002)" ]
	}
