	# ---- release: whatever would stop it later stops it now

	check_host() {
		begin release
		if [ -z "$release" ]; then
			while
				release=$(date -u +%Y%m%d%H%M%S)
				[ -e "$releases/$release" ]
			do sleep 1; done
		fi
		[ ! -e "$releases/$release" ] || die 3 "release $release exists already"
{%- if release_venv %}
		check_venv_dir
{%- if pip && server.python.is_some() %}
		command -v "$python" >/dev/null || die 3 "there is no $python on this host; run setup.sh first"
{%- endif %}
{%- else %}
		[ "$(readlink "$venv")" != "$root/current/.pystrano/venv" ] ||
			die 3 "$venv belongs to the current release, through venv_mode: release; name another venv_dir"
		[ -x "$venv/bin/python" ] || die 3 "there is no virtualenv at $venv; run setup.sh first"
{%- if pip && server.python.is_some() %}
		[ "$("$venv/bin/python" -V 2>&1)" = "$("$python" -V 2>&1)" ] ||
			die 3 "$venv has $("$venv/bin/python" -V 2>&1), not that of $python; name another venv_dir and run setup.sh, or set venv_mode: release"
{%- endif %}
{%- endif %}
{%- if server.deploy_key.is_some() && payload.is_none() %}
		[ -r "$deploy_key" ] || die 3 "there is no $deploy_key, the deploy_key; run setup.sh first"
{%- endif %}
{%- if !server.secrets.is_empty() %}
		each_secret need_secret
{%- endif %}
		check_promotion
{%- for unit in server.service_file %}
		compare_unit {{ unit.name }} {{ crate::script::sha256(unit.text) }}
{%- endfor %}
		report ok "Prepared release $release"
	}
{%- if !server.service_file.is_empty() %}

	# compare_unit NAME SHA256 warns when the unit on the host is not what setup.sh would install.
	compare_unit() {
		sum=$(sha256sum 2>/dev/null <"/etc/systemd/system/$1") || return 0
		[ "${sum%% *}" = "$2" ] || report warning "$1 on this host differs from service_file; run pystrano setup"
	}
{%- endif %}

	# check_promotion: the checks that deploy and rollback share. Refuses a path that setup.sh recorded
	# for another app of this host.
	check_promotion() {
		records={{ records }}
		taken=$(grep -rxF{% for claim in claims %} -e {{ claim }}{% endfor %} "$records" 2>/dev/null | grep -vF -e "$records/$app:" | head -n 1)
		if [ -n "$taken" ]; then
			taken=${taken#"$records/"}
			die 3 "${taken#*:* } belongs to ${taken%%:*} on this host; give $app one of its own, then run setup.sh"
		fi
{%- if server.health_check_url.is_some() %}
		command -v curl >/dev/null || die 3 'curl is missing, and health_check_url needs it; run setup.sh first'
{%- endif %}
{%- if !services.is_empty() %}
		check_services
{%- endif %}
	}
