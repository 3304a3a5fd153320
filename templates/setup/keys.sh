	copy_keys() {
		begin keys
		# Through sudo, it is the caller's keys that open this host.
		source=$(home_of "${SUDO_USER:-root}")/.ssh/authorized_keys
		[ -f "$source" ] || source=/dev/null
		keys=$home/.ssh/authorized_keys
		# find tells what is missing or has another mode than sshd likes.
		if [ -n "$(find -H "$home/.ssh" "$keys" -prune \( -type d \( ! -perm -700 -o -perm /077 \) -o -type f ! -perm 600 \) 2>&1)" ]; then
			run as_user sh -c '
				set -e
				umask 077
				mkdir -p "$1"
				: >>"$2"
				chmod 700 "$1"
				chmod 600 "$2"
			' sh "$home/.ssh" "$keys"
			outcome=changed
		fi
		lines=$(captured as_user awk "$new_keys" have=1 "$keys" have=0 - <"$source")
		if [ -n "$lines" ]; then
			printf '%s\n' "$lines" | append authorized_keys
			outcome=changed
		fi
		if [ -s "$keys" ]; then
			finish_step 'Copied SSH authorized_keys'
		else
			outcome=warning
			finish_step "Found no authorized_keys to copy; nobody can log in as $user yet"
		fi
	}

	# Prints the lines of the second file with keys that the first does not have. What the first
	# says about a key, such as from="..." before it, holds.
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
