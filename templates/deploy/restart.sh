	restart() {
		begin restart
		restart_unit || return
		started=$(unit_state)
		report changed "Restarted $unit"
	}

	# restart_unit waits where systemd refuses a unit that was started too often lately, by a crashing
	# release or by many deploys; it takes it again when StartLimitIntervalSec is over. A refused start
	# leaves the unit failed and its invocation as it was.
	restart_unit() {
		invocation=$(systemctl show --property=InvocationID "$unit")
		seconds=30
		until said=$(isolated sudo -n systemctl restart "$unit" 2>&1); do
			code=$?
			if [ "$seconds" -eq 0 ] || ! systemctl is-failed --quiet "$unit" ||
				[ "$(systemctl show --property=InvocationID "$unit")" != "$invocation" ]; then
				run printf '%s\n' "$said"
				return "$code"
			fi
			sleep 1
			seconds=$((seconds - 1))
		done
		[ -z "$said" ] || run printf '%s\n' "$said"
	}

	# unit_state prints it; a new invocation means that systemd had to start the unit again.
	unit_state() {
		systemctl show --property=ActiveState --property=InvocationID "$unit"
	}

	# unit_holds: the unit is active, and still as it was after the restart.
	unit_holds() {
		case $started in
		*ActiveState=active*) [ "$(unit_state)" != "$started" ] || return 0 ;;
		esac
		reason="$unit did not stay up"
		return 1
	}
