	refresh_static_files() {
		begin static
{%- if static_files_command.is_some() %}
		run "$releases/$release/.pystrano/run" bash -c "$static_files_command"
{%- else %}
		run "$releases/$release/.pystrano/run" "$venv/bin/python" manage.py collectstatic --noinput
{%- endif %}
		report changed 'Refreshed static assets'
	}
