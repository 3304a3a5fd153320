	# The env of a release lies beside those of the others; the release links to its own.
	put_env() {
		begin env
		write_env
		ln -s "../../../shared/.env.$release" "$releases/$release/.pystrano/env"
		link_env
		report changed 'Copied the env file'
	}

	# link_env makes shared/.env go through current, so that one rename switches code and env.
	link_env() {
		[ -z "$current" ] || adopt "$current"
		through=../current/.pystrano/env
		[ ! -L "$shared" ] || through=$root/current/.pystrano/env # where shared is, .. leads elsewhere
		if [ "$(readlink "$shared/.env")" != "$through" ]; then
			rm -f "$state/.env"
			ln -s "$through" "$state/.env"
			mv -f "$state/.env" "$shared/"
		fi
	}

	write_env() (
		umask 077
		base64 -d >"$shared/.env.$release" <<\EOF
{{ env_base64|safe }}
EOF
	)

	# adopt RELEASE: gives a release that the Python tool made the link to its env.
	adopt() {
		[ ! -L "$releases/$1/.pystrano/env" ] || return 0
		[ -e "$shared/.env.$1" ] || [ ! -e "$shared/.env" ] || (
			umask 077
			cat "$shared/.env" >"$state/.env.adopted"
			sync "$state/.env.adopted" # soon it is the only one
			mv "$state/.env.adopted" "$shared/.env.$1"
		)
		if [ -e "$shared/.env.$1" ]; then
			mkdir -p "$releases/$1/.pystrano"
			chmod 600 "$shared/.env.$1"
			ln -s "../../../shared/.env.$1" "$releases/$1/.pystrano/env"
		fi
	}
