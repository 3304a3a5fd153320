	# find_uv sets $uv, and installs it if it is missing. Commands of the release find it, too.
	find_uv() {
		find_own_uv
		mkdir -p "$releases/$release/.pystrano/bin"
		ln -sf "$uv" "$releases/$release/.pystrano/bin/uv"
	}
