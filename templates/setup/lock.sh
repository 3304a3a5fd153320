	# take_lock: one setup at a time on this host. The kernel releases the lock when this shell dies, so a
	# command that may outlive the shell must not inherit descriptor 9.
	take_lock() {
		begin lock
		mkdir -p "$records"
		(umask 077 && touch "$state/lock" && chmod 600 "$state/lock") # whoever can open it can hold the lock
		exec 9>>"$state/lock"
		if ! flock -n 9 9>&9; then # mksh passes no descriptor above 2 to commands unless told to
			die 2 "another setup is at work on $(uname -n): $(head -c 200 "$state/lock")"
		fi
		rm -rf "$state/new" "$state/unit" # left by a killed setup
		(umask 077 && : >"$output")
		printf '%s\n' "$app for ${who:-${SUDO_USER:-root}}, since $(date -u +%Y-%m-%dT%H:%M:%SZ), process $$" >"$state/lock"
	}
