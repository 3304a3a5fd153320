	link_secrets() {
		begin secrets
		each_secret link_secret
		report changed 'Linked secrets into release'
	}

	# each_secret FUNCTION calls it with the name of each secret.
	each_secret() {
{%- for secret in server.secrets %}
		"$1" {{ secret.name }}
{%- endfor %}
	}

	need_secret() { [ -f "$shared/$1" ] || die 3 "there is no $shared/$1; run setup.sh first"; }

	need_no_directory() {
		if [ -d {{ app_root|safe }}/"$1" ] && [ ! -L {{ app_root|safe }}/"$1" ]; then
			die 3 "the repository has a directory $1, where the secret of that name belongs; rename one of them"
		fi
	}

	link_secret() {
		if [ -e {{ app_root|safe }}/"$1" ] || [ -L {{ app_root|safe }}/"$1" ]; then
			report warning "$1 of the repository is replaced by the secret of that name"
		fi
		link_shared "$1"
	}
