	put_secrets() {
		begin secrets
		umask 077 # some shells keep the text below in a file while they pass it on
{%- for secret in secrets %}
		put {{ secret.name }} <<\EOF
{{ secret.text|safe }}
EOF
{%- endfor %}
		finish_step 'Uploaded secrets to shared directory'
	}

	# put NAME: the base64 text on stdin becomes shared/NAME, unless it is that already.
	put() {
		made=$(captured as_user sh -c '
			set -eu
			umask 077
			text=$(cat)
			decode() {
				base64 -d <<EOF
$text
EOF
			}
			if [ -n "$(find "$1" -prune -type f -user "$3" -perm 600 2>/dev/null)" ] && decode | cmp -s - "$1"; then
				exit
			fi
			if [ -d "$1" ] && [ ! -L "$1" ]; then
				printf "%s\n" "$1 is a directory" >&2
				exit 1
			fi
			rm -f "$2"
			decode >"$2" || {
				rm -f "$2"
				exit 1
			}
			[ ! -L "$1" ] || rm "$1"
			mv -f "$2" "$1"
			echo made
		' sh "$root/shared/$1" "$root/.pystrano/secret.new" "$user")
		[ -z "$made" ] || outcome=changed
	}
