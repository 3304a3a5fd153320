	# refuse tells why this copy must not be run.
	refuse() {
		printf '%s\n' 'refused: the secrets were left out of this copy; write a runnable one with: pystrano render --output DIR' >&2
		exit 2
	}
