	# put FILE NEW <BASE64 writes FILE as the app user, mode 0600, by renaming NEW, unless it has that
	# content already.
	put() {
		change sh -c '
			set -eu
			umask 077
			text=$(cat)
			rm -f "$2" # left by a killed setup
			decode() {
				base64 -d <<EOF
$text
EOF
			}
			if [ -n "$(find "$1" -prune -type f -user "$3" -perm 600 2>/dev/null)" ] && decode | cmp -s - "$1"; then
				exit
			fi
			if [ -d "$1" ] && [ ! -L "$1" ]; then
				printf "%s\n" "$1 is a directory"
				exit 1
			fi
			decode >"$2" || {
				rm -f "$2"
				exit 1
			}
			[ ! -L "$1" ] || rm "$1"
			mv -f "$2" "$1"
			exit 10
		' sh "$1" "$2" "$user"
	}
