	# A migration that has begun is never cut short; this run stops after it.
	migrate() {
		begin migrate
		watch_controller "$$"
		echo migrating >"$releases/$release/.pystrano/unfinished"
{%- if migration_command.is_some() %}
		run "$releases/$release/.pystrano/run" bash -c "$migration_command"
{%- else if django %}
		run "$releases/$release/.pystrano/run" "$venv/bin/python" manage.py migrate --noinput
{%- else %}
		run "$releases/$release/.pystrano/run" "$venv/bin/alembic" upgrade head
{%- endif %}
		: >"$releases/$release/.pystrano/unfinished"
		unwatch_controller
		report changed 'Applied database migrations'
	}
