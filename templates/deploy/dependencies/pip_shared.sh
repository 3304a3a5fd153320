	install_dependencies() {
		begin dependencies
		need_dependency_file
		# Without changes pip would still take longer than any other step.
		if is_pinned && [ "$(install_state)" = "$(cat "$venv/.installed" 2>/dev/null)" ]; then
			report ok 'Python dependencies are installed already'
			return
		fi
		rm -f "$venv/.installed" # until this install is complete
		refuse_local_packages
		packages=$(packages)
		install_packages
		# Mark it as installed only after all of it is on disk.
		isolated sync -f "$venv"
		install_state >"$venv/.installed"
		report changed 'Installed Python dependencies'
	}

	# is_pinned: every line of the dependency file, apart from markers, hashes and comments, is
	# name[extras]==version, and the virtualenv does not see system packages.
	is_pinned() {
		grep -qs '^include-system-site-packages = false' "$venv/pyvenv.cfg" &&
			! sed -E 's/(^|[[:space:]])#.*//; s/;.*//; s/--hash=[[:alnum:]:]+//g; s/\\$//' "$releases/$release/$dependency_file" |
			grep -qvE '^[[:space:]]*([[:alnum:]._-]+(\[[[:alnum:]., _-]*\])?[[:space:]]*==[[:space:]]*[[:alnum:].+!-]+)?[[:space:]]*$'
	}

	# install_state prints what does not change as long as pip has nothing to do for a pinned file.
	install_state() {
		{
			cat "$releases/$release/$dependency_file" "$venv/pyvenv.cfg"
			stat -L -c '%n %i %s %y' "$venv/bin/python" "$venv"/lib/python*/site-packages
		} 2>/dev/null | sha256sum
	}
