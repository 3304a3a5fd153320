	copy_keys() {
		begin keys
		# With sudo, the caller's keys are the ones that give access to this host.
		giver=${SUDO_USER:-root}
		source=$(home_of "$giver")/.ssh/authorized_keys
		lines=''
		if [ -e "$source" ]; then
			[ -f "$source" ] || die 1 "$source is not a regular file"
			[ "$(wc -c <"$source")" -le 1048576 ] || die 1 "$source is larger than 1 MiB"
			lines=$(awk "$new_keys" have=0 "$source")
		fi
		before=$(cat "$kept/keys-of-$giver" 2>/dev/null) || :
		old=$(printf '%s\n' "$lines" '#before' "$before" | awk -v have=1 "/^#before/ { have = 0 } $new_keys")
		keep "keys-of-$giver" "$lines" "$before"
		change_ssh add authorized_keys "$new_keys" "$lines"
		look_after authorized_keys "$old" "keys that $source no longer has"
		keep "keys-of-$giver" "$lines" "$old"
		if [ -s "$home/.ssh/authorized_keys" ]; then
			finish_step 'Copied SSH authorized_keys'
		else
			outcome=warning
			finish_step "Found no authorized_keys to copy; nobody can log in as $user yet"
		fi
	}
