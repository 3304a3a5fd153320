	put_env() {
		begin env
		write_env "$releases/$release/.pystrano"
{%- if server.env_file.is_some() %}
		link_env
{%- endif %}
{%- if uses_launcher %}
		[ -z "$current" ] || need_launcher "$current"
{%- endif %}
		report changed '{% if server.env_file.is_some() %}Copied the env file{% else %}Wrote the launcher{% endif %}'
	}

	# write_env DIRECTORY writes {% if server.env_file.is_some() %}the env file and {% endif %}the launcher, which starts commands and the app.
	write_env() (
		umask 077
{%- if server.env_file.is_some() %}
		base64 -d >"$1/env" <<\EOF
{{ env_base64|safe }}
EOF
{%- endif %}
		cat >"$1/run" <<\{{ launcher_end|safe }}
{{ launcher|safe }}
{{ launcher_end|safe }}
		chmod 700 "$1/run"
{%- if runs_uvicorn %}
		cat >"$1/serve.py" <<\EOF
{% include "serve.py" %}
EOF
{%- endif %}
{%- if !pip %}
		mkdir "$1/bin"
		ln -s "$state/uv/bin/uv" "$1/bin/"
{%- endif %}
	)
{%- if server.env_file.is_some() %}

	# link_env makes shared/.env a link through current, so that one rename switches code and env.
	# Whatever the app put in its place is replaced.
	link_env() {
		import_legacy_env
		through=../current/.pystrano/env
		[ ! -L "$shared" ] || through=$root/current/.pystrano/env # shared is a link: .. would be another directory
		link=$(readlink "$shared/.env") || :
		if [ "$link" != "$through" ]; then
			[ ! -e "$shared/.env" ] || link=${link:-file}
			case $link in
			'' | */.env.*) ;; # missing, or a link of an earlier version
			*) report warning "$shared/.env had been replaced; it is the env of the current release again" ;;
			esac
			if [ -d "$shared/.env" ] && [ ! -L "$shared/.env" ]; then
				mv -T "$shared/.env" "$shared/.env.replaced-by-$release"
			fi
			rm -f "$state/.env"
			ln -s "$through" "$state/.env"
			mv -f "$state/.env" "$shared/"
		fi
		for old in "$shared"/.env.*; do
			! has_env "${old#"$shared/.env."}" || rm -rf "$old" # left by an earlier version
		done
	}

	# import_legacy_env: earlier versions kept the env of each release in shared.
	import_legacy_env() {
		for name in $(good_releases); do
			if ! has_env "$name" && (umask 077 && { read_shared ".env.$name" || read_shared .env; } >"$state/env"); then
				sync "$state/env" # the original is removed later
				mkdir -p "$releases/$name/.pystrano"
				mv -fT "$state/env" "$releases/$name/.pystrano/env"
			fi
		done
		rm -f "$state/env"
	}

	has_env() { [ -f "$releases/$1/.pystrano/env" ] && [ ! -L "$releases/$1/.pystrano/env" ]; }
{%- endif %}
{%- if uses_launcher %}

	# need_launcher RELEASE: the unit starts releases by their launcher. Releases of earlier versions have
	# none; they get that of this run if their env is the same.
	need_launcher() {
		if [ -x "$releases/$1/.pystrano/run" ]; then
			return
		fi
		mkdir "$releases/.new-launcher"
		write_env "$releases/.new-launcher"
{%- if server.env_file.is_some() %}
		if cmp -s "$releases/.new-launcher/env" "$releases/$1/.pystrano/env"; then
{%- else %}
		if [ ! -e "$releases/$1/.pystrano/env" ]; then
{%- endif %}
			mkdir -p "$releases/$1/.pystrano"
			mv {% if runs_uvicorn %}"$releases/.new-launcher/serve.py" {% endif %}"$releases/.new-launcher/run" "$releases/$1/.pystrano/"
		fi
		rm -rf "$releases/.new-launcher"
		[ -x "$releases/$1/.pystrano/run" ] ||
			die 3 "$services starts releases by .pystrano/run; $1, of an earlier version, has none and a different env: deploy with its env first"
	}
{%- endif %}
