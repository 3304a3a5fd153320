		case $0 in
		/*) here=${0%/*} ;;
		*) here=$PWD/$0 here=${here%/*} ;;
		esac
		from=$PWD payload=''
