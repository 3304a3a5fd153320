	# drop_agent: the ssh agent is for git and the dependencies only. The socket of an agent that was
	# forwarded to this run is removed; the agent of a person who runs this by hand stays.
	drop_agent() {
		[ -z "$nonce" ] || [ ! -S "${SSH_AUTH_SOCK:-}" ] || rm -f "$SSH_AUTH_SOCK"
		unset SSH_AUTH_SOCK
	}
