	# drop_agent: only git and the dependencies may use the ssh agent. The socket of one that is forwarded
	# to this run is removed; that of a person who runs this by hand stays.
	drop_agent() {
		[ -z "$nonce" ] || [ ! -S "${SSH_AUTH_SOCK:-}" ] || rm -f "$SSH_AUTH_SOCK"
		unset SSH_AUTH_SOCK
	}
