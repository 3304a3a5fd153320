	packages='' # those that were there before this run

	# packages prints what is installed in the virtualenv.
	packages() {
		isolated find "$venv" -path '*/site-packages/*-info' -prune 2>/dev/null | sed 's:.*/::; s/\.[a-z]*-info$//'
	}

	# tell_packages tells what a run that ends without its release leaves changed in the virtualenv
	# that releases share: nothing takes that back.
	tell_packages() {
		if [ -n "$packages" ]; then
			changed=$(printf '%s\n' "$packages" "$(packages)" | sort | uniq -u | tr '\n' ' ')
			if [ -n "$changed" ]; then
				event "fact packages $changed"
				report warning "The shared virtualenv was changed, and stays so: $changed"
			fi
		fi
	}
