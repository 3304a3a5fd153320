	# ---- the controller, where one leads this run: who runs it by hand may skip the rest

	# read_order sets $order to the controller's next one; "wait" is a heartbeat. It fails at the end of
	# the input, and when nothing comes in time.
	read_order() {
		order='wait'
		while [ "$order" = wait ]; do
			line=$(timeout "{% if payload.is_some() %}${barrier:-60}{% else %}$barrier{% endif %}" sh -c 'IFS= read -r line && printf %s "$line"' <&3 9>&-) || return
			case $line in "$nonce "*) order=${line#* } ;; esac
		done
	}

	# await_order PHASE ORDER: goes on at this order only.
	await_order() {
		unwatch_controller
		if [ -n "$barrier" ]; then
			name_holder "waits for the controller ($1)"
			event "phase $1"
			read_order || :
			name_holder
			[ "$order" = "$2" ] || die 3 'cancelled'
		fi
	}
{%- if payload.is_none() && !server.alone %}

	# agree_on_commit: each server reports the commit that it cloned, and the controller orders the one
	# that all deploy.
	agree_on_commit() {
		event "fact commit $commit"
		[ -n "$barrier" ] || return 0
		unwatch_controller
		event 'phase cloned'
		read_order || :
		chosen=${order#commit }
		case $chosen in '' | *[!0-9a-f]*) die 3 'cancelled' ;; esac
		watch_controller 0
		if [ "$chosen" != "$commit" ]; then
			take_commit "$chosen"
			event "fact commit $commit"
		fi
	}
{%- endif %}
{%- if !server.alone %}

	# await_verdict: a promoted host goes back only when it is ordered to; alone it keeps what it verified.
	await_verdict() {
		[ -n "$barrier" ] || return 0
		name_holder 'waits for the controller (promoted)'
		event 'phase promoted'
		if read_order && [ "$order" = revert ]; then
			reason='another host failed'
			return 1
		fi
	}
{%- endif %}

	watcher='' # the process that watches the controller

	# watch_controller PROCESS: a controller that goes away ends this process; 0 is all of this run's.
	watch_controller() {
		[ -n "$nonce" ] || return 0
		{
			while IFS= read -r _; do :; done
			trap '' TERM
			# Again and again: a shell that is just starting a command misses one. One that was stopped
			# goes on to end.
			while kill -TERM "$$" && kill -CONT "$$" && kill -TERM "$1"; do sleep 1; done
		} <&3 >/dev/null 2>&1 8<&- 9>&- &
		watcher=$!
	}

	unwatch_controller() {
		[ -n "$watcher" ] || return 0
		kill -KILL "$watcher" 2>/dev/null || : # it may be too young to notice TERM
		wait "$watcher" 2>/dev/null || :
		watcher=''
	}
