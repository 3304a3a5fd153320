	# A migration that has begun is never interrupted; a run that is told to stop does so after it. In its
	# own session a Ctrl-C at the terminal does not reach it.
	migrate() {
		begin migrate
		name_holder 'migrates'
		watch_controller "$$"
		echo migrating >"$releases/$release/.pystrano/unfinished"
		copy=$releases/$release/.pystrano/migrated
{%- if migration_command.is_some() %}
		run setsid "$releases/$release/.pystrano/run" bash -c "$migration_command"
{%- else if django %}
		run setsid "$releases/$release/.pystrano/run" "$venv/bin/python" manage.py migrate --noinput
{%- else %}
		run setsid "$releases/$release/.pystrano/run" "$venv/bin/alembic" upgrade head
{%- endif %}
		copy=''
		: >"$releases/$release/.pystrano/unfinished"
		name_holder
		unwatch_controller
		report changed 'Applied database migrations'
	}

	# report_migrations: when the run fails after migrations, tells which were applied and how to undo
	# them; the schema is not reverted.
	report_migrations() {
		applied=$(sed -n 's/^ *Applying \([A-Za-z0-9_]*\.[A-Za-z0-9_]*\)\.\.\. OK$/\1/p; s/.*Running upgrade .* -> \([A-Za-z0-9_]*\).*/\1/p' \
			"$releases/$release/.pystrano/migrated" 2>/dev/null | tr '\n' ' ')
		if [ -z "$applied" ] || [ "$action" = rollback ]; then
			return
		fi
{%- if django && migration_command.is_none() %}
		undo=''
		for name in $applied; do
			case $undo in *" ${name%%.*} "*) continue ;; esac
			before=$(isolated "$releases/$release/.pystrano/run" "$venv/bin/python" manage.py showmigrations "${name%%.*}" 2>/dev/null |
				sed -n 's/^ \[.\] \([^ ]*\).*/\1/p' | sed "/^${name#*.}\$/,\$d" | tail -n 1)
			undo="python manage.py migrate ${name%%.*} ${before:-zero}${undo:+; $undo}"
		done
{%- else if migration_command.is_none() %}
		undo="alembic downgrade -$(printf '%s' "$applied" | wc -w)"
{%- else %}
		undo=''
{%- endif %}
		event "fact migrations $applied"
		event "fact undo $undo"
		report warning "The database schema is not reverted; applied: $applied${undo:+(with the code of $commit: $undo)}"
	}
