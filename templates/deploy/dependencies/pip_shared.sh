	install_dependencies() {
		begin dependencies
		need_dependency_file
		# pip would take longer than any other step to find nothing to do.
		if is_pinned && [ "$(install_state)" = "$(cat "$venv/.installed" 2>/dev/null)" ]; then
			report ok 'Python dependencies are installed already'
			return
		fi
		rm -f "$venv/.installed" # half an install is none
		refuse_local_packages
		packages=$(packages)
		install_packages
		# Installed means: all of it is on the disk.
		isolated sync -f "$venv"
		install_state >"$venv/.installed"
		report changed 'Installed Python dependencies'
	}

	# is_pinned: each line of the dependency file, but for markers, hashes and comments, is
	# name[extras]==version, and the virtualenv has its packages for itself.
	is_pinned() {
		grep -qs '^include-system-site-packages = false' "$venv/pyvenv.cfg" &&
			! sed -E 's/(^|[[:space:]])#.*//; s/;.*//; s/--hash=[[:alnum:]:]+//g; s/\\$//' "$releases/$release/$dependency_file" |
			grep -qvE '^[[:space:]]*([[:alnum:]._-]+(\[[[:alnum:]., _-]*\])?[[:space:]]*==[[:space:]]*[[:alnum:].+!-]+)?[[:space:]]*$'
	}

	# install_state prints what stays the same while pip has nothing to do for a pinned file.
	install_state() {
		{
			cat "$releases/$release/$dependency_file" "$venv/pyvenv.cfg"
			stat -L -c '%n %i %s %y' "$venv/bin/python" "$venv"/lib/python*/site-packages
		} 2>/dev/null | sha256sum
	}
