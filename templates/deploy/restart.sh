	restart() {
		begin restart
		restart_unit || return
		started=$(unit_state)
		report changed "Restarted $unit"
	}

	# restart_unit waits where systemd refuses a unit that was started too often lately, by a crashing
	# release or by many deploys; it takes it again when StartLimitIntervalSec is over. A refused start
	# leaves the unit failed and its invocation as it was, and often says so.
	restart_unit() {
		invocation=$(systemctl show --property=InvocationID "$unit")
		waited=0
		restarted=$(date +%s.%N)
		until said=$(isolated sudo -n systemctl restart "$unit" 2>&1); do
			code=$?
			case $(systemctl show --property=Result "$unit") in
			Result=start-limit-hit) longest=900 ;;
			*) longest=30 ;;
			esac
			if [ "$waited" -ge "$longest" ] || ! systemctl is-failed --quiet "$unit" ||
				[ "$(systemctl show --property=InvocationID "$unit")" != "$invocation" ]; then
				run printf '%s\n' "$said"
				return "$code"
			fi
			sleep 1
			waited=$((waited + 1))
		done
		[ -z "$said" ] || run printf '%s\n' "$said"
	}

	# unit_state prints it; a new invocation means that systemd had to start the unit again.
	unit_state() {
		systemctl show --property=ActiveState --property=InvocationID "$unit" | sed s/=reloading/=active/
	}

	# unit_holds: the unit is active, and still as it was after the restart.
	unit_holds() {
		case $started in
		*ActiveState=active*) [ "$(unit_state)" != "$started" ] || return 0 ;;
		esac
		reason="$unit did not stay up"
		return 1
	}

	# runs_release: the unit's process works in no other release: with a WorkingDirectory that does
	# not lead through current it would go on with old code.
	runs_release() {
		process=$(systemctl show --property=MainPID "$unit")
		where=$(readlink "/proc/${process#MainPID=}/cwd") || return 0 # of another user
		case $where/ in
		*"/$(readlink "$root/current")/"*) ;;
		"$(cd -P "$releases" && pwd)"/*)
			reason="$unit runs in $where; its WorkingDirectory must lead through $root/current"
			return 1
			;;
		esac
	}
