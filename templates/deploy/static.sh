	refresh_static_files() {
		begin static
{%- if static_files_command.is_some() %}
		with_env bash -c "$static_files_command"
{%- else %}
		with_env "$venv/bin/python" manage.py collectstatic --noinput
{%- endif %}
		report changed 'Refreshed static assets'
	}
