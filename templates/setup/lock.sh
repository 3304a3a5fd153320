	# take_lock: one setup at a time on this host. The kernel frees the lock when this shell dies,
	# so no command that may outlive the shell keeps descriptor 9.
	take_lock() {
		begin lock
		mkdir -p "$records"
		(umask 077 && touch "$state/lock" && chmod 600 "$state/lock") # who can open it can hold it
		exec 9>>"$state/lock"
		if ! flock -n 9 9>&9; then # mksh passes no descriptor above 2 on by itself
			die 2 "another setup is at work on $(uname -n): $(head -c 200 "$state/lock")"
		fi
		rm -rf "$state/new" "$state/unit" # of a setup that was killed
		(umask 077 && : >"$output")
		printf '%s\n' "$app for ${who:-${SUDO_USER:-root}}, since $(date -u +%Y-%m-%dT%H:%M:%SZ), process $$" >"$state/lock"
	}
