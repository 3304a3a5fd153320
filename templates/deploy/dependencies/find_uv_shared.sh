	# find_uv sets $uv; it is installed where it is missing. Commands of the release find it, too.
	find_uv() {
		uv=$venv/bin/uv
		if [ ! -x "$uv" ] && [ -x "$venv/bin/pip" ]; then
			pip_install "$venv" uv
		fi
		# Where uv made this virtualenv anew, for another Python, it has neither pip nor uv.
		[ -x "$uv" ] || find_own_uv
		mkdir -p "$releases/$release/.pystrano/bin"
		ln -sf "$uv" "$releases/$release/.pystrano/bin/uv"
	}
