	verify() {
		begin verify
{%- if server.health_check_url.is_some() %}
		read_clock
		deadline=$((now + health_check_timeout)) broken_since=''
		patience=1 # seconds for an answer: a socket holds on to requests also when the app is dead
		until is_healthy; do
			read_clock
			if [ "$now" -ge "$deadline" ]; then
				reason="$health_check_url did not answer with {{ statuses|safe }} within $health_check_timeout s; its last answer was ${code:-none}"
				return 1
			fi
			# Under load this request waits behind those that came before it.
			patience=$((patience * 2))
			[ "$patience" -le "$((deadline - now))" ] || patience=$((deadline - now))
			# An app that says that it is broken need not be asked for longer; 502 to 504 are of a proxy
			# before it, which may still wait for it.
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
		# {% if server.health_check_url.is_some() %}The answer says nothing of the other units. {% endif %}What cannot start often ends only after a while.
		looks=15
		while [ "$looks" -gt 0 ]; do
			sleep 0.2
			services_hold || return
			looks=$((looks - 1))
		done
{%- endif %}
{%- if !services.is_empty() %}
		run_release || return
{%- endif %}
{%- for unit in triggers %}
		trigger_holds {{ unit.name }} || return
{%- endfor %}
		report ok 'Verified that {% if server.health_check_url.is_some() %}the app answers{% if services.len() > 1 %} and the units stay up{% endif %}{% else if services.len() == 1 %}the unit stays up{% else %}the units stay up{% endif %}'
	}
