	# print_unit UNIT prints its text, byte for byte.
	print_unit() {
		case $1 in
{%- for unit in units %}
		{{ unit.name }}) printf %s {{ unit.text }} ;;
{%- endfor %}
		esac
	}

	register_units() {
		begin service
		install_units
{%- if triggers.is_empty() %}
		for unit in $units; do
{%- else %}
		# Sockets, timers and paths first: enabling them tells systemd which services they start.
		for unit in $triggers $units; do
{%- endif %}
			enable_unit "$unit"
		done
		finish_step "Registered $units"
	}

	# install_units installs the units that differ, once all of them are known to be valid.
	install_units() {
		differing=''
		for unit in $units; do
			rm -f "/etc/systemd/system/$unit.new" # left by a killed setup
			print_unit "$unit" | cmp -s - "/etc/systemd/system/$unit" || differing="$differing $unit"
		done
		[ -n "$differing" ] || return 0
		verify_units
		for unit in $differing; do
			file=/etc/systemd/system/$unit
			new=$file.new
			print_unit "$unit" >"$new"
			mkdir -p "$state/relink"
			: >"$state/relink/$unit"
{%- if !triggers.is_empty() %}
			note_change "$unit"
{%- endif %}
			mv -f "$new" "$file"
			new=''
		done
		run systemctl daemon-reload
		outcome=changed
	}

	# enable_unit UNIT makes it start at boot.
	enable_unit() {
		properties=$(systemctl show --property=UnitFileState --property=NeedDaemonReload --property=LoadState --property=TriggeredBy -- "$1")
		case $properties in
		*NeedDaemonReload=yes*)
			run systemctl daemon-reload
			outcome=changed
			;;
		esac
		case $properties in
		*LoadState=bad-setting* | *LoadState=error*) die 1 "systemd does not load $1; see: systemctl status $1" ;;
		esac
		case $properties in
		*UnitFileState=disabled* | *UnitFileState=*-runtime*) link_unit "$1" ;;
		*TriggeredBy=?*.*) ;; # by a unit that starts at boot
		*UnitFileState=static*) warn "$1 has no WantedBy in [Install]: it does not start at boot" ;;
		esac
		# Its [Install] may have changed, also in an earlier setup that was killed here.
		[ ! -e "$state/relink/$1" ] || link_unit "$1"
	}

	# link_unit UNIT makes the links that its [Install] asks for, and removes older ones.
	link_unit() {
		message=$(systemctl reenable --quiet -- "$1" 2>&1) || die 1 "systemctl enable $1: $(printf '%s' "$message" | tail -n 1)"
		rm -f "$state/relink/$1"
		outcome=changed
	}

	# verify_units: units that systemd would refuse are not installed; settings that it would ignore are a
	# warning.
	verify_units() {
		command -v systemd-analyze >/dev/null || return 0
		rm -rf "$state/unit"
		mkdir "$state/unit"
		set --
		for unit in $units; do
			print_unit "$unit" >"$state/unit/$unit"
			set -- "$@" "$state/unit/$unit"
		done
		found=$(isolated systemd-analyze verify --man=no "$@" 2>&1 | sed "s|^$state/unit/||") || :
		rm -rf "$state/unit"
		for unit in $differing; do
			about=$(printf '%s\n' "$found" | grep -F -e "$unit") || continue
			refused=$(printf '%s\n' "$about" | grep -e 'Refusing' -e 'fatal error' -e 'bad unit file setting' | head -n 1) || :
			[ -z "$refused" ] || die 1 "systemd refuses $refused"
			ignored=$(printf '%s\n' "$about" | grep -e 'ignoring' -e 'Unknown ' | head -n 3 | tr '\n' ' ') || :
			[ -z "$ignored" ] || warn "systemd ignores a part of $ignored"
		done
	}
{%- if !triggers.is_empty() %}

	# note_change UNIT: a running unit keeps its old settings until it is restarted.
	note_change() {
		if systemctl is-active --quiet -- "$1"; then
			mkdir -p "$state/changed"
			: >"$state/changed/$1"
		fi
	}

	# start_triggers starts sockets, timers and paths, and restarts those that run with other settings.
	start_triggers() {
		begin start
		for unit in $triggers; do
			if [ -e "$state/changed/$unit" ]; then
				start_trigger restart "$unit"
				rm -f "$state/changed/$unit"
				outcome=changed
			elif ! systemctl is-active --quiet -- "$unit"; then
				start_trigger start "$unit"
				# A condition of the unit may not be met yet.
				! systemctl is-active --quiet -- "$unit" || outcome=changed
			fi
		done
		finish_step "Started $triggers"
	}

	# start_trigger start|restart UNIT
	start_trigger() {
		message=$(isolated systemctl "$1" -- "$2" 2>&1) && return
		for service in $(systemctl show --property=Triggers -- "$2" | sed 's/^Triggers=//'); do
			if systemctl is-active --quiet -- "$service"; then
				warn "$2 cannot start while $service runs without it; the next deploy starts both"
				return
			fi
		done
		run printf '%s\n' "$message"
		die 1 "systemctl $1 $2 failed; see: systemctl status $2"
	}
{%- endif %}
