	install_packages() {
		pip_conf=$(isolated grep -lsE '^[[:space:]]*(target|prefix|root|python)[[:space:]]*[=:]' /etc/pip.conf /etc/xdg/pip/pip.conf \
			"$HOME/.pip/pip.conf" "${XDG_CONFIG_HOME:-$HOME/.config}/pip/pip.conf" "$venv/pip.conf") || :
		[ -z "$pip_conf" ] || die 3 "$pip_conf sends packages elsewhere than into the virtualenv; take target, prefix, root and python out of it"
		pip_log=$releases/$release/.pystrano/pip.log
		run in_release "$venv/bin/pip" install --disable-pip-version-check --no-input --log "$pip_log" -r "$dependency_file" ||
			stop_pip "$?"
		if grep -qs 'source of the following dependency conflicts' "$pip_log"; then
			report warning "Packages in the virtualenv do not fit together: $(sed -n 's/^[^ ]* *\(.* requires .*\), but .*/\1/p' "$pip_log" | head -n 3 | tr '\n' ';')"
		fi
		rm -f "$pip_log"
	}

	# stop_pip STATUS: with what pip itself does not tell.
	stop_pip() {
		refused=$(sed -nE 's/.*: (40[13]) Client Error.* for url: ([^ ]*).*/\2 answered \1/p' "$pip_log" 2>/dev/null | sed -n 1p)
		unset_variables=$(grep -v '^[[:space:]]*#' "$releases/$release/$dependency_file" | grep -oE '\$\{[A-Z0-9_]+\}' | sort -u | tr -d '${}' |
			while read -r name; do printenv "$name" >/dev/null || printf '%s ' "$name"; done) || :
		if [ -n "$unset_variables" ]; then
			die "$1" "$dependency_file names variables that are not set here, where env_file does not reach: $unset_variables${refused:+($refused)}; keep the login of an index in pip.conf or .netrc of $user"
		fi
		die "$1" "${refused:+the package index takes no login that pip has here: $refused; keep it in pip.conf or .netrc of $user}"
	}
