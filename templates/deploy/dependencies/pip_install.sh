	# pip_install VENV ARGS installs into VENV, whatever a pip.conf sets for target, prefix, root or
	# python.
	pip_install() {
		into=$1
		shift
		if isolated grep -qsE '^[[:space:]]*(target|prefix|root|python)[[:space:]]*[=:]' "${PIP_CONFIG_FILE:-}" /etc/pip.conf /etc/xdg/pip/pip.conf \
			"$HOME/.pip/pip.conf" "${XDG_CONFIG_HOME:-$HOME/.config}/pip/pip.conf" "$into/pip.conf"; then
			set -- --target '' --prefix "$into" --root / "$@"
			export PIP_PYTHON="$into/bin/python"
		fi
		run in_release "$into/bin/pip" install --disable-pip-version-check --no-input "$@"
	}
