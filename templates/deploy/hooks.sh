	# run_hook POINT COMMAND runs a command from the config's hooks.
	run_hook() {
		begin "$1"
		run "$releases/$release/.pystrano/run" bash -c "$2" || return
		report changed "Ran the hook $1"
	}
