	# of_services COMMAND runs it with the names of the services that run the app, in the order of their
	# restart.
	of_services() {
		"$@"{% for unit in services %} {{ unit.name }}{% endfor %}
	}

	# service_properties NAME... prints a line with these properties for each service. One that reloads
	# counts as active.
	service_properties() {
		{
			IFS=,
			of_services systemctl show "--property=$*"
		} | awk -v RS= -F '\n' -v names="$*" '
			{
				split("", value)
				for (i = 1; i <= NF; i++)
					value[substr($i, 1, index($i, "=") - 1)] = substr($i, index($i, "=") + 1)
				sub("reloading", "active", value["ActiveState"])
				count = split(names, name, " ")
				for (i = 1; i <= count; i++)
					printf "%s%s", value[name[i]], (i < count ? " " : "\n")
			}'
	}

	# check_services: this user may restart the services, and systemd has loaded them.
	check_services() {
		command -v sudo >/dev/null || die 3 "sudo is missing, and restarting $services needs it; run setup.sh first"
		if ! said=$(of_services isolated sudo -n -l systemctl restart 2>&1 >/dev/null); then
			case $said in
			*tty*) die 3 "sudo requires a terminal (requiretty); add to sudoers: Defaults:$user !requiretty" ;;
			esac
			die 3 "$user may not run without a password: sudo systemctl restart $services; run setup.sh first, and make sure that no later rule of sudoers requires one"
		fi
		while read -r unit load; do
			case $load in
			not-found | masked | error | bad-setting) die 3 "systemd has no usable $unit (see: systemctl status $unit); run setup.sh first" ;;
			esac
		done <<EOF
$(service_properties Id LoadState)
EOF
	}

	restart() {
		begin restart
		unit={{ services[0].name }} # the unit to blame for a failure
		restart_services || return
		started=$(service_states)
		report changed "Restarted $services"
	}

	# restart_services waits if systemd refuses to start a unit that was started too often, by a crashing
	# release or by many deploys; it accepts it again after StartLimitIntervalSec.
	restart_services() {
		wait_for_start_limit
		before=$(service_properties InvocationID)
		waited=0
		restarted=$(date +%s.%N)
		until said=$(of_services isolated sudo -n systemctl restart 2>&1); do
			code=$?
			note_start
			if ! were_refused || [ "$waited" -ge "$longest" ]; then
				run printf '%s\n' "$said"
				fallen=$(service_states | grep -v ' active ') || fallen=$unit
				unit=${fallen%% *}
				return "$code"
			fi
			sleep 1
			waited=$((waited + 1))
		done
		note_start
		[ -z "$said" ] || run printf '%s\n' "$said"
	}

	# wait_for_start_limit: a restart over the limit would stop the unit and then not start it.
	wait_for_start_limit() {
		waited=0
		while start_limit_is_reached && [ "$waited" -lt 900 ]; do
			[ "$waited" -gt 0 ] || report warning "Waiting until systemd accepts another start of $services"
			sleep 0.5
			waited=$((waited + 1))
		done
	}

	# start_limit_is_reached counts the starts within StartLimitIntervalSec, by earlier runs and by
	# systemd itself after crashes.
	start_limit_is_reached() {
		read -r uptime _ </proc/uptime
		{
			sed 's/^/start /' "$state/starts" 2>/dev/null
			service_properties StartLimitBurst NRestarts ActiveEnterTimestampMonotonic StartLimitIntervalUSec
		} | awk -v now="$uptime" '
			$1 == "start" { starts[++count] = $2; next }
			{
				seconds = 0
				for (i = 4; i <= NF; i++)
					seconds += $i * ($i ~ /[mu]s$/ ? 0.001 : $i ~ /s$/ ? 1 : $i ~ /min$/ ? 60 : $i ~ /h$/ ? 3600 : 86400)
				recent = now - $3 / 1000000 < seconds ? $2 : 0
				for (i = 1; i <= count; i++)
					recent += starts[i] <= now && now - starts[i] <= seconds
				if ($1 > 0 && recent >= $1) reached = 1
			}
			END { exit !reached }'
	}

	# note_start keeps the times of the last starts, by the uptime: the wall clock may be set.
	note_start() {
		read -r uptime _ </proc/uptime
		starts=$(tail -n 99 "$state/starts" 2>/dev/null) || :
		printf '%s\n' "$starts" "$uptime" 2>/dev/null >"$state/starts" || :
	}

	# were_refused: systemd did not even try to start the failed units; their invocation is the one before
	# the restart. Not every such unit has start-limit-hit as its result.
	were_refused() {
		refused=1 longest=30
		while read -r active result invocation; do
			if [ "$active" = failed ]; then
				printf '%s\n' "$before" | grep -qxF -e "$invocation" || return
				[ "$result" != start-limit-hit ] || longest=900
				refused=0
			fi
		done <<EOF
$(service_properties ActiveState Result InvocationID)
EOF
		return "$refused"
	}

	# service_states: a new InvocationID means that systemd started the unit again.
	service_states() {
		service_properties Id ActiveState InvocationID
	}

	# services_hold: all services are active, and none was started again since the restart.
	services_hold() {
		states=$(service_states)
		if [ "$states" = "$started" ] && ! printf '%s\n' "$states" | grep -qv ' active '; then
			return
		fi
		fallen=$(printf '%s\n' "$states" | grep -v ' active ') ||
			fallen=$(printf '%s\n' "$states" | grep -vxF -e "$started") || fallen=$unit
		unit=${fallen%% *}
		reason="$unit did not stay up"
		return 1
	}

	# services_run_release: no process of a unit runs in another release. With a WorkingDirectory that
	# does not lead through current it would keep running the old code.
	services_run_release() {
		while read -r unit process; do
			where=$(readlink "/proc/$process/cwd") || continue # a process of another user
			case $where/ in
			*"/$(readlink "$root/current")/"*) ;;
			"$(cd -P "$releases" && pwd)"/*)
				reason="$unit runs in $where; its WorkingDirectory must lead through $root/current"
				return 1
				;;
			esac
		done <<EOF
$(service_properties Id MainPID)
EOF
		unit={{ services[0].name }}
	}
