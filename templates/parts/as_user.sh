	# ---- acting as the app user

	# as_user COMMAND: in a session of its own, which cannot type into root's terminal; nor is it given
	# that as a descriptor, so it is always started by run or by captured, or with all output redirected.
	as_user() (
		export HOME="$home" USER="$user" LOGNAME="$user"
		isolated setsid -w runuser -u "$user" -- "$@"
	)

	# captured COMMAND: as by run, but its output is the caller's to read; only its messages are shown.
	captured() {
		{
			with_status messages_only "$@" | relay >&2 4>&-
		} 4>&1
	}

	messages_only() {
		"$@" 2>&1 >&4 4>&-
	}

	# append NAME: adds the lines on stdin to a file in the user's .ssh.
	append() {
		run as_user sh -c '
			umask 077
			# A last line that was never ended must not run into the first new one.
			[ -z "$(tail -c 1 "$1" 2>/dev/null)" ] || echo >>"$1"
			cat >>"$1"
		' sh "$home/.ssh/$1"
	}

	# own DIR...: makes those that are missing, for the user. The first holds the others.
	own() {
		if ! made=$(captured as_user sh -c "$make_missing" sh "$@"); then
			reason=$(hand_over "$1")
			made=$1$(captured as_user sh -c "$make_missing" sh "$@")
		fi
		[ -z "$made" ] || outcome=changed
	}

	make_missing='
		for directory; do
			[ -d "$directory" ] && [ -w "$directory" ] && continue
			# An empty one that root left here can be made anew.
			rmdir "$directory" 2>/dev/null
			mkdir -p "$directory" 2>/dev/null && [ -w "$directory" ] || exit 1
			echo made
		done
	'

	# hand_over DIR: root makes DIR where the user may not, and gives it to the user. It walks
	# there from /, because what it stands in cannot be exchanged under its feet, and it follows
	# links only in directories that nobody but root can change. It prints why it could not.
	hand_over() (
		cd /
		here=
		IFS=/
		for name in $1; do
			[ -n "$name" ] || continue
			safe=$(roots_alone)
			[ -e "./$name" ] || [ -z "$safe" ] || mkdir "./$name"
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
		if [ -z "$(roots_alone)" ] || [ -n "$(ls -A)" ]; then
			printf '%s\n' "$user cannot write $1; if it is meant for this app: chown -R $user: $1"
			exit 1
		fi
		chown "$user:" .
	)

	# roots_alone prints something when only root can change the directory it stands in.
	roots_alone() {
		find . -prune -user 0 ! -perm -020 ! -perm -002
	}
