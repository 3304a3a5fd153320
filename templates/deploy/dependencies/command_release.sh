	# Nobody knows what the command reads: each release has a virtualenv of its own.
	install_dependencies() {
		begin dependencies
		venv=$root/venvs/$release
		rm -rf "$venv"
{%- if pip %}
		run {{ python|safe }} -m venv "$venv"
{%- else %}
		find_uv
		run in_release "$uv" venv --quiet "$venv" # for the Python that the project asks for
{%- endif %}
		run in_release bash -c "$dependency_install_command"
		# The release must not come back from a power cut with half of it.
		isolated sync -f "$venv"
		ln -s "../../../venvs/$release" "$releases/$release/.pystrano/venv"
		report changed 'Installed Python dependencies'
	}
