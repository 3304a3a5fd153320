	verify() {
		begin verify
{%- if server.health_check_url.is_some() %}
		deadline=$(($(uptime) + health_check_timeout))
		until is_healthy; do
			if [ "$(uptime)" -ge "$deadline" ]; then
				reason="$health_check_url did not answer with {{ statuses|safe }} within $health_check_timeout s; its last answer was ${code:-none}"
				return 1
			fi
{%- if server.service_file.is_some() %}
			unit_holds || return
{%- endif %}
			sleep 0.2
		done
		warn_of_redirect
{%- if server.service_file.is_some() %}
		unit_holds || return
{%- endif %}
{%- else %}
		# An app that cannot start is often noticed only after a while.
		looks=15
		while [ "$looks" -gt 0 ]; do
			sleep 0.2
			unit_holds || return
			looks=$((looks - 1))
		done
{%- endif %}
{%- if server.service_file.is_some() %}
		runs_release || return
{%- endif %}
		report ok 'Verified {% if server.health_check_url.is_some() %}that the app answers{% else %}that the unit stays up{% endif %}'
	}
