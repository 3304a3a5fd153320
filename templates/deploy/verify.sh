	verify() {
		begin verify
{%- if server.health_check_url.is_some() %}
		deadline=$(($(date +%s) + health_check_timeout))
		until answers; do
			now=$(date +%s)
			if [ "$now" -ge "$deadline" ]; then
				reason="$health_check_url did not answer 2xx or 3xx within $health_check_timeout s; its last answer was $answer"
				return 1
			fi
{%- if server.service_file.is_some() %}
			unit_holds || return
{%- endif %}
			sleep 0.2
		done
{%- else %}
		sleep 3 # an app that cannot start is often noticed only after a while
{%- endif %}
{%- if server.service_file.is_some() %}
		unit_holds || return
{%- endif %}
		report ok 'Verified {% if server.health_check_url.is_some() %}that the app answers{% else %}that the unit stays up{% endif %}'
	}
