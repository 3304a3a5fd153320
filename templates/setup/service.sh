	register_unit() {
		begin service
		file=/etc/systemd/system/$unit
		if ! print_unit | cmp -s - "$file"; then
			verify_unit
			new=$file.new
			print_unit >"$new"
			mv -f "$new" "$file"
			new=''
			run systemctl daemon-reload
			outcome=changed
		fi
		properties=$(systemctl show --property=UnitFileState --property=NeedDaemonReload --property=LoadState -- "$unit")
		case $properties in
		*NeedDaemonReload=yes*)
			run systemctl daemon-reload
			outcome=changed
			;;
		esac
		case $properties in
		*LoadState=bad-setting* | *LoadState=error*) die 1 "systemd does not load $unit; see: systemctl status $unit" ;;
		esac
		case $properties in
		*UnitFileState=disabled* | *UnitFileState=*-runtime*)
			message=$(systemctl enable --quiet -- "$unit" 2>&1) || die 1 "systemctl enable $unit: $(printf '%s' "$message" | tail -n 1)"
			outcome=changed
			;;
		*UnitFileState=static*) warn "$unit has no WantedBy in [Install]: it does not start when the host does" ;;
		esac
		finish_step "Registered $unit"
	}

	# verify_unit: what systemd would refuse is not installed, and what it would pass over is told.
	verify_unit() {
		command -v systemd-analyze >/dev/null || return 0
		rm -rf "$state/unit"
		mkdir "$state/unit"
		print_unit >"$state/unit/$unit"
		found=$(isolated systemd-analyze verify --man=no "$state/unit/$unit" 2>&1 | sed "s|^$state/unit/||" | grep -F -e "$unit") || :
		rm -rf "$state/unit"
		refused=$(printf '%s\n' "$found" | grep -e 'Refusing' -e 'fatal error' -e 'bad unit file setting' | head -n 1) || :
		[ -z "$refused" ] || die 1 "systemd refuses $refused"
		ignored=$(printf '%s\n' "$found" | grep -e 'ignoring' -e 'Unknown ' | head -n 3 | tr '\n' ' ') || :
		[ -z "$ignored" ] || warn "systemd passes over a part of $ignored"
	}

	# The unit, byte for byte.
	print_unit() {
		printf %s {{ unit.text }}
	}
