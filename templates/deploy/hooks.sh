	# run_hook POINT COMMAND: a command of the app's own.
	run_hook() {
		begin "$1"
		run "$releases/$release/.pystrano/run" bash -c "$2" || return
		report changed "Ran the hook $1"
	}
