	ensure_user() {
		begin user
		if ! getent passwd "$user" >/dev/null; then
			run useradd -m -s /bin/bash -- "$user"
			outcome=changed
		fi
		home=$(home_of "$user")
		[ -d "$home" ] || die 1 "the home of $user is not there: $home"
		finish_step "Ensured deploy user $user exists"
	}

	# home_of USER prints the home directory.
	home_of() {
		getent passwd "$1" | cut -d : -f 6
	}
