	# Releases share a virtualenv only where its content follows from what describe_dependencies prints. A
	# complete virtualenv is never changed.
	install_dependencies() {
		begin dependencies
{%- if !payload_packages %}
		need_dependency_file
{%- endif %}
		venv=$root/venvs/$(describe_dependencies | sha256sum | cut -c 1-16)
{%- if payload_packages && !pip %}
		find_uv
{%- endif %}
		if [ -e "$venv/.complete" ]; then
			result=ok text='Python dependencies are installed already'
		else
			rm -rf "$venv"
			make_venv
			install_packages
			# Mark it as complete only after all of it is on disk.
			isolated sync -f "$venv"
			: >"$venv/.complete"
			result=changed text='Installed Python dependencies'
		fi
{%- if payload_packages %}
		install_project
{%- else if let Dependencies::UvLock = dependencies %}
		! is_packaged || install_project
{%- endif %}
		ln -s "../../../venvs/${venv##*/}" "$releases/$release/.pystrano/venv"
		report "$result" "$text"
	}
