	packages='' # those that were there before this run

	# packages prints what is installed in the virtualenv.
	packages() {
		isolated find "$venv" -path '*/site-packages/*-info' -prune 2>/dev/null | sed 's:.*/::; s/\.[a-z]*-info$//'
	}

	# report_packages: what a run that ends without its release leaves changed in the virtualenv that
	# releases share: nothing takes that back.
	report_packages() {
		if [ -n "$packages" ]; then
			changed=$(printf '%s\n' "$packages" "$(packages)" | sort | uniq -u | tr '\n' ' ')
			if [ -n "$changed" ]; then
				event "fact packages $changed"
				report warning "The shared virtualenv was changed, and stays so: $changed"
			fi
		fi
	}
