	# in_release COMMAND runs it in the directory of the {% if server.app_dir.is_top() %}release{% else %}app{% endif %}, with the virtualenv{% if !pip %} and uv{% endif %} first on PATH, and
	# without the env file.
	in_release() (
		cd {{ app_root|safe }} || exit
		export VIRTUAL_ENV="$venv" PATH="$venv/bin:{% if !pip %}$releases/$release/.pystrano/bin:{% endif %}$PATH"
{%- if !pip %}
		export UV_PROJECT_ENVIRONMENT="$venv"
{%- endif %}
		export PIP_REQUIRE_VIRTUALENV=1 # a pip outside of it refuses to install
		exec "$@"
	)
