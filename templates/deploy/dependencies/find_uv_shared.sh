	# find_uv sets $uv, and installs it if it is missing. Commands of the release find it, too.
	find_uv() {
		uv=$venv/bin/uv
		if [ ! -x "$uv" ] && [ -x "$venv/bin/pip" ]; then
			pip_install "$venv" uv
		fi
		# If uv recreated this virtualenv for another Python, pip and uv are gone from it.
		[ -x "$uv" ] || find_own_uv
		mkdir -p "$releases/$release/.pystrano/bin"
		ln -sf "$uv" "$releases/$release/.pystrano/bin/uv"
	}
