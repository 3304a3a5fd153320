	# trigger_holds UNIT: the socket, timer or path is active.
	trigger_holds() {
		if ! systemctl is-active --quiet -- "$1"; then
			reason="$1 is not active; run setup.sh, and see: systemctl status $1"
			return 1
		fi
	}
