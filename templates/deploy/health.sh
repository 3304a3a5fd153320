	answers() {
		answer=$(curl --silent --globoff --noproxy '*' --max-time 5 --output /dev/null --write-out '%{http_code}' -- "$health_check_url" 9>&-)
		case $answer in 2?? | 3??) ;; *) false ;; esac
	}
