	# ---- the controller: who runs this by hand may skip the rest

	# read_order sets $order to the next order of the controller; "wait" is a heartbeat. Fails at the end
	# of the input and when no line comes for $barrier seconds.
	read_order() {
		order='wait'
		while [ "$order" = wait ]; do
			line=$(timeout "{% if payload.is_some() %}${barrier:-60}{% else %}$barrier{% endif %}" sh -c 'IFS= read -r line && printf %s "$line"' <&3 9>&-) || return
			case $line in "$nonce "*) order=${line#* } ;; esac
		done
	}

	# await_order PHASE ORDER waits for ORDER; on any other the run is cancelled.
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

	# agree_on_commit reports the commit that this server cloned; the controller orders the commit that
	# all servers deploy.
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

	# await_verdict: under a controller a promoted host reverts only when ordered to; without one it keeps
	# the verified release.
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

	watcher='' # the process that watches the connection to the controller

	# watch_controller PROCESS terminates this run and PROCESS when the connection is lost; 0 stands for
	# the whole process group.
	watch_controller() {
		[ -n "$nonce" ] || return 0
		{
			while IFS= read -r _; do :; done
			trap '' TERM
			# Repeat it: a shell that is just starting a command can miss a signal. CONT is for one that was
			# stopped.
			while kill -TERM "$$" && kill -CONT "$$" && kill -TERM "$1"; do sleep 1; done
		} <&3 >/dev/null 2>&1 8<&- 9>&- &
		watcher=$!
	}

	unwatch_controller() {
		[ -n "$watcher" ] || return 0
		kill -KILL "$watcher" 2>/dev/null || : # one that was just started can miss TERM
		wait "$watcher" 2>/dev/null || :
		watcher=''
	}
