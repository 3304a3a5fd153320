	# with_env COMMAND: in the directory of the release, with its env.
	with_env() (
		cd "$releases/$release"
{%- if release_venv %}
		export VIRTUAL_ENV="$venv" PATH="$venv/bin:$PATH"
{%- endif %}
{%- for (name, value) in variables %}
		export {{ name|safe }}={{ value }}
{%- endfor %}
		exec "$@" 3<&- 9>&-
	)
