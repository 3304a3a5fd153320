	# A migration that has begun is never cut short; this run stops after it. In a session of its own no
	# key at a terminal reaches it.
	migrate() {
		begin migrate
		watch_controller "$$"
		echo migrating >"$releases/$release/.pystrano/unfinished"
{%- if migration_command.is_some() %}
		run setsid "$releases/$release/.pystrano/run" bash -c "$migration_command"
{%- else if django %}
		run setsid "$releases/$release/.pystrano/run" "$venv/bin/python" manage.py migrate --noinput
{%- else %}
		run setsid "$releases/$release/.pystrano/run" "$venv/bin/alembic" upgrade head
{%- endif %}
		: >"$releases/$release/.pystrano/unfinished"
		unwatch_controller
		report changed 'Applied database migrations'
	}
