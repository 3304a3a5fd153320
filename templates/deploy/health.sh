	answers() {
		answer=$(isolated curl --silent --globoff --noproxy '*' --max-time 5 --output /dev/null --write-out '%{http_code}' -- "$health_check_url")
		case $answer in 2?? | 3??) ;; *) false ;; esac
	}
