	register_unit() {
		begin service
		file=/etc/systemd/system/$unit
		[ ! -L "$file" ] || die 1 "$file is a link to $(readlink "$file"), as of a masked unit; remove it first"
		if ! print_unit | cmp -s - "$file"; then
			new=$file.new
			print_unit >"$new"
			mv -f "$new" "$file"
			run systemctl daemon-reload
			outcome=changed
		fi
		state=$(systemctl show --property=UnitFileState --property=NeedDaemonReload -- "$unit")
		case $state in
		*NeedDaemonReload=yes*)
			run systemctl daemon-reload
			outcome=changed
			;;
		esac
		case $state in
		*UnitFileState=disabled* | *UnitFileState=*-runtime*)
			run systemctl enable --quiet -- "$unit"
			outcome=changed
			;;
		esac
		finish_step "Registered $unit"
	}

	# The unit, byte for byte.
	print_unit() {
		printf %s {{ unit.text }}
	}
