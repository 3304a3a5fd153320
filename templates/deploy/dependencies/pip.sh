	install_packages() {
		pip_log=$releases/$release/.pystrano/pip.log
		pip_install "$venv" --log "$pip_log" -r {{ dependency_word|safe }} || stop_pip "$?"
		if grep -qs 'source of the following dependency conflicts' "$pip_log"; then
			report warning "Packages in the virtualenv are incompatible: $(sed -n 's/^[^ ]* *\(.* requires .*\), but .*/\1/p' "$pip_log" | head -n 3 | tr '\n' ';')"
		fi
		rm -f "$pip_log"
	}

	# stop_pip STATUS stops the run, with reasons that pip does not give itself.
	stop_pip() {
		refused=$(sed -nE 's/.*: (40[13]) Client Error.* for url: ([^ ]*).*/\2 answered \1/p' "$pip_log" 2>/dev/null | sed -n 1p)
		unset_variables=''
		for name in $(grep -v '^[[:space:]]*#' "$releases/$release/$dependency_file" | grep -oE '\$\{[A-Z0-9_]+\}' | sort -u | tr -d '${}'); do
			printenv "$name" >/dev/null || unset_variables="$unset_variables$name "
		done
		if [ -n "$unset_variables" ]; then
			reason="$dependency_file names variables that are not set here, and env_file does not apply: $unset_variables${refused:+($refused)}"
		elif [ -n "$refused" ]; then
			reason="the package index accepts none of the credentials that pip has here: $refused"
		fi
		die "$1" "${reason:+$reason; keep the login of an index in pip.conf or .netrc of $user}"
	}
