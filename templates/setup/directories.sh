	make_directories() {
		begin directories
		ensure_owned_dirs "$root" "$root/releases" "$root/shared" "$root/shared/media" "$root/.pystrano"{% if release_venv %} "$root/venvs"{% endif %}
		text='Prepared remote directory structure'
		check_web_server
		finish_step "$text"
	}

	# check_web_server: a web server that serves static files and media itself must be able to read them.
	check_web_server() {
		server=$(getent passwd www-data nginx caddy | sed -n '$s/:.*//p')
		[ -n "$server" ] || return 0
		if ! act_as "$server" / sh -c "$find_closed" sh "$root/shared/media"; then
			closed=$(user_output)
			text="$text; static files and media cannot be read by $server, as a web server: chmod o+x $closed would allow it"
			for name in nginx apache2 caddy; do
				! command -v "$name" >/dev/null || outcome=warning
			done
		fi
	}

	# Prints the first directory of the path that this user cannot enter.
	find_closed='
		set -f
		way=""
		IFS=/
		for name in ${1#/}; do
			way=$way/$name
			if [ ! -x "$way" ]; then
				printf "%s\n" "$way"
				exit 1
			fi
		done
	'
