	# is_healthy: the app answers with a status that counts. Apps behind a proxy want to be told that
	# the client's side is https.
	is_healthy() {
		answer=$(isolated curl --silent --globoff --noproxy '*' --max-time "$patience" --output /dev/null
{%- if check.socket.is_some() %} --unix-socket "$health_check_socket"{% endif %} \
			--header 'X-Forwarded-Proto: https'{% if server.health_check_host.is_some() %} --header "Host: $health_check_host"{% endif %} \
			--write-out '%{http_code} %{redirect_url}' -- "$health_check_url") || :
		code=${answer%% *}
		{{ accepts|safe }}
	}

	# warn_of_redirect: an app that only sends to https may be broken behind it.
	warn_of_redirect() {
		case $answer in
		*' https://'*)
			if [ "/${answer#* https://*/}" = {{ health_path }} ]; then
				report warning "$health_check_url only leads to https; let the app trust X-Forwarded-Proto, or set health_check_statuses to 200-299"
			fi
			;;
		esac
	}
