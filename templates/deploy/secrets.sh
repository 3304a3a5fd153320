	link_secrets() {
		begin secrets
{%- for secret in server.secrets %}
		link_secret {{ secret.name }}
{%- endfor %}
		report changed 'Linked secrets into release'
	}

	# link_secret NAME
	link_secret() {
		if [ -d "$releases/$release/$1" ] && [ ! -L "$releases/$release/$1" ]; then
			die 3 "the repository has a directory $1, where the secret of that name belongs; rename one of them"
		elif [ -e "$releases/$release/$1" ] || [ -L "$releases/$release/$1" ]; then
			report warning "$1 of the repository gives way to the secret of that name"
		fi
		link_shared "$1"
	}
