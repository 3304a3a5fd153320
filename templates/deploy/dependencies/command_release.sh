	# The inputs of the command are unknown, so each release has its own virtualenv.
	install_dependencies() {
		begin dependencies
		venv=$root/venvs/$release
		rm -rf "$venv"
{%- if pip %}
		run {{ python|safe }} -m venv "$venv"
{%- else %}
		find_uv
		run in_release "$uv" venv --quiet "$venv" # with the Python that the project requires
{%- endif %}
		run in_release bash -c "$dependency_install_command"
		# After a power failure the release must not be there with only part of it.
		isolated sync -f "$venv"
		ln -s "../../../venvs/$release" "$releases/$release/.pystrano/venv"
		report changed 'Installed Python dependencies'
	}
