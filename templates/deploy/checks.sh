	# ---- build

	name_release() {
		while [ -z "$release" ]; do
			release=$(date -u +%Y%m%d%H%M%S)
			[ ! -e "$releases/$release" ] || {
				release=''
				sleep 1
			}
		done
		[ ! -e "$releases/$release" ] || die 3 "release $release exists already"
	}
{%- if !server.secrets.is_empty() %}

	need_secret() {
		[ -f "$shared/$1" ] || die 3 "there is no $shared/$1; run setup.sh first"
	}
{%- endif %}

	# Whatever would stop the release later stops it now.
	check_host() {
		begin release
{%- if release_venv %}
		check_venv_dir
{%- else %}
		[ "$(readlink "$venv")" != "$root/current/.pystrano/venv" ] ||
			die 3 "$venv belongs to the release that runs, by venv_mode: release; name another venv_dir"
		[ -x "$venv/bin/python" ] || die 3 "there is no virtualenv at $venv; run setup.sh first"
{%- endif %}
{%- if server.deploy_key.is_some() %}
		[ -r "$deploy_key" ] || die 3 "there is no $deploy_key, the deploy_key; run setup.sh first"
{%- endif %}
{%- for secret in server.secrets %}
		need_secret {{ secret.name }}
{%- endfor %}
		check_promotion
		report ok "Prepared release $release"
	}

	# check_owner KIND VALUE: no other app of this host has it.
	check_owner() {
		owner=$(owner_of "$1" "$2")
		[ -z "$owner" ] || die 3 "$2 belongs to $owner on this host; give $app one of its own, then run setup.sh"
	}

	# What a rollback needs of that, too.
	check_promotion() {
		check_owner root "$root"
		check_owner venv {{ server.venv_dir }}
{%- for unit in server.service_file %}
		check_owner unit {{ unit.name }}
{%- endfor %}
		[ ! -e "$root/current" ] || [ -L "$root/current" ] ||
			die 3 "$root/current is not a link; move it away, deploy.sh makes it a link to the release"
{%- if server.health_check_url.is_some() %}
		command -v curl >/dev/null || die 3 'curl is missing, and health_check_url needs it; run setup.sh first'
{%- endif %}
{%- if !services.is_empty() %}
		check_services
{%- endif %}
	}
