	install_dependencies() {
		begin dependencies
{%- if !pip %}
		find_uv
{%- endif %}
		if [ "$(install_state)" = "$(cat "$venv/.installed" 2>/dev/null)" ]; then
			report ok 'Python dependencies are installed already'
			return
		fi
		rm -f "$venv/.installed" # until this install is complete
		packages=$(packages)
		install_packages
		# Mark it as installed only after all of it is on disk.
		isolated sync -f "$venv"
		install_state >"$venv/.installed"
		report changed 'Installed Python dependencies'
	}

	# install_state prints what does not change as long as there is nothing to install.
	install_state() {
		{
			printf '%s\n' "$dependencies_sha256"
			cat "$venv/pyvenv.cfg" || :
			stat -L -c '%n %i %s %y' "$venv/bin/python" "$venv"/lib/python*/site-packages
		} 2>/dev/null | sha256sum
	}
