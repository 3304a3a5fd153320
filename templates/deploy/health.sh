	# is_healthy: the app answers with one of health_check_statuses. The header tells apps that require
	# https that the client of the proxy used it.
	is_healthy() {
		answer=$(isolated curl --silent --globoff --noproxy '*' --max-time "$answer_timeout" --output /dev/null
{%- if check.socket.is_some() %} --unix-socket "$health_check_socket"{% endif %} \
			--header 'X-Forwarded-Proto: https'{% if server.health_check_host.is_some() %} --header "Host: $health_check_host"{% endif %} \
			--write-out '%{http_code} %{redirect_url}' -- "$health_check_url") || :
		code=${answer%% *}
		{{ status_test|safe }}
	}

	# warn_of_redirect: an app that only redirects to https may still be broken behind the redirect.
	warn_of_redirect() {
		case $answer in
		*' https://'*)
			if [ "/${answer#* https://*/}" = {{ health_path }} ]; then
				report warning "$health_check_url only redirects to https; let the app trust X-Forwarded-Proto, or set health_check_statuses to 200-299"
			fi
			;;
		esac
	}
