	packages='' # installed before this run

	# packages prints what is installed in the virtualenv.
	packages() {
		isolated find "$venv" -path '*/site-packages/*-info' -prune 2>/dev/null | sed 's:.*/::; s/\.[a-z]*-info$//'
	}

	# report_packages: when the run fails, tells which packages it changed in the shared virtualenv; they
	# are not reverted.
	report_packages() {
		if [ -n "$packages" ]; then
			changed=$(printf '%s\n' "$packages" "$(packages)" | sort | uniq -u | tr '\n' ' ')
			if [ -n "$changed" ]; then
				event "fact packages $changed"
				report warning "The shared virtualenv was changed and stays changed: $changed"
			fi
		fi
	}
