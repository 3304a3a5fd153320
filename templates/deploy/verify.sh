	verify() {
		begin verify
{%- if server.health_check_url.is_some() %}
		read_clock
		deadline=$((now + health_check_timeout)) broken_since=''
		answer_timeout=1 # seconds: a socket accepts requests even when the app is dead
		until is_healthy; do
			read_clock
			if [ "$now" -ge "$deadline" ]; then
				reason="$health_check_url did not answer with {{ statuses|safe }} within $health_check_timeout s; its last answer was ${code:-none}"
				return 1
			fi
			# Under load this request waits behind earlier ones.
			answer_timeout=$((answer_timeout * 2))
			[ "$answer_timeout" -le "$((deadline - now))" ] || answer_timeout=$((deadline - now))
			# No need to wait for an app that says it is broken. 502 to 504 come from a proxy in front of it,
			# which may still be waiting for the app.
			case $code in
			50[2-4]) broken_since='' ;;
			5*) broken_since=${broken_since:-$now} ;;
			*) broken_since='' ;;
			esac
			if [ -n "$broken_since" ] && [ "$((now - broken_since))" -ge 5 ]; then
				reason="$health_check_url answered with $code for 5 s"
				return 1
			fi
{%- if !services.is_empty() %}
			services_hold || return
{%- endif %}
			sleep 0.2
		done
		warn_of_redirect
{%- if services.len() == 1 %}
		services_hold || return
{%- endif %}
{%- endif %}
{%- if services.len() > 1 || !services.is_empty() && server.health_check_url.is_none() %}
		# {% if server.health_check_url.is_some() %}The answer does not cover the other units. {% endif %}A unit that cannot start often exits only after a while.
		checks_left=15
		while [ "$checks_left" -gt 0 ]; do
			sleep 0.2
			services_hold || return
			checks_left=$((checks_left - 1))
		done
{%- endif %}
{%- if !services.is_empty() %}
		services_run_release || return
{%- endif %}
{%- for unit in triggers %}
		trigger_holds {{ unit.name }} || return
{%- endfor %}
		report ok 'Verified that {% if server.health_check_url.is_some() %}the app answers{% if services.len() > 1 %} and the units stay up{% endif %}{% else if services.len() == 1 %}the unit stays up{% else %}the units stay up{% endif %}'
	}
