	# drop_agent: only git and the dependencies may need the ssh agent. One that the controller's
	# connection brought cannot be reached any more; of who runs this by hand it stays.
	drop_agent() {
		[ -z "$nonce" ] || [ ! -S "${SSH_AUTH_SOCK:-}" ] || rm -f "$SSH_AUTH_SOCK"
		unset SSH_AUTH_SOCK
	}
