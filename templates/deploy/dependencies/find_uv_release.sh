	# find_uv sets $uv; it is installed where it is missing. Commands of the release find it, too.
	find_uv() {
		find_own_uv
		mkdir -p "$releases/$release/.pystrano/bin"
		ln -sf "$uv" "$releases/$release/.pystrano/bin/uv"
	}
