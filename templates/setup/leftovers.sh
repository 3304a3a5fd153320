	# clear_leftovers removes what the record has and the config does not: units and sudo rules always,
	# files with content only with --prune.
	clear_leftovers() {
		begin leftovers
		left='' removed=''
		old=$(print_claims | grep -vxF -f - "$record" | grep -v '^#') || :
{%- if !services.is_empty() %}
		replace_services
{%- endif %}
		[ -n "$old" ] || return 0
		while read -r kind value; do
			case $kind in
			unit) remove_unit "$value" ;;
			sudo) remove_rule "$value" ;;
			secret) remove_file "$kind $value" "$value" "$root/.pystrano/secret.new" ;;
			deploy-key) remove_file "$kind $value" "$home/.ssh/$value" "$home/.ssh/$value.new" ;;
			esac
		done <<EOF
$old
EOF
		write_record "$(print_claims)
$left"
		if [ -n "$removed" ]; then
			outcome=changed
			finish_step "Removed what the config no longer has:$removed"
		fi
	}
{%- if !services.is_empty() %}

	# replace_services stops leftover services that are running, and starts those that run the app now. If
	# it is killed in between, the next setup continues.
	replace_services() {
		running=''
		for unit in $(printf '%s\n' "$old" | sed -n 's/^unit //p'); do
			file=/etc/systemd/system/$unit
			if [ -f "$file" ] && [ ! -L "$file" ] && systemctl is-active --quiet -- "$unit"; then
				running="$running $unit"
			fi
		done
		if [ -n "$running" ]; then
			(umask 077 && mkdir -p "$kept" && printf '%s\n' "$running" >"$kept/stopped")
		elif [ -e "$kept/stopped" ]; then
			running=$(cat "$kept/stopped")
		else
			return 0
		fi
		# shellcheck disable=SC2086 # names of units
		exchange_services $running || die 1 "$services did not stay up in place of$running, which setup started again; see: systemctl status $services"
		rm -f "$kept/stopped"
	}

	# exchange_services UNIT...: signals wait until the app is running again, with the old units if the
	# new ones fail.
	exchange_services() (
		trap '' HUP INT PIPE TERM
		run systemctl stop -- "$@" || :
		if [ -e "$root/current/" ] && ! start_services; then
			run systemctl stop --{% for service in services %} {{ service.name }}{% endfor %} || :
			run systemctl start -- "$@" && rm -f "$kept/stopped"
			exit 1
		fi
	)

	# start_services: a unit that fails at its start does so within three seconds.
	start_services() {
		run systemctl start --{% for service in services %} {{ service.name }}{% endfor %} || return
		sleep 3
		for unit in $services; do
			case $(systemctl show --property=SubState -- "$unit") in
			SubState=failed | SubState=auto-restart*) return 1 ;;
			esac
		done
	}
{%- endif %}

	# remove_unit UNIT stops, disables and removes it. If it cannot be stopped, it stays in the record.
	remove_unit() {
		file=/etc/systemd/system/$1
		rm -f -- "$file.new"
		if [ -f "$file" ] && [ ! -L "$file" ]; then
			run systemctl disable --now --quiet -- "$1" || :
			if systemctl is-active --quiet -- "$1"; then
				warn "could not stop $1, which the config no longer has; stop it, then run setup again"
				left="${left}unit $1
"
				return
			fi
			rm -f -- "$file"
			run systemctl daemon-reload
			systemctl reset-failed -- "$1" 2>/dev/null || :
			removed="$removed $1"
		fi
	}

	# remove_rule FILE removes a sudo rule of pystrano.
	remove_rule() {
		case $1 in
		/etc/sudoers.d/pystrano-*)
			rm -f -- "$1.new"
			if [ -e "$1" ]; then
				rm -f -- "$1"
				removed="$removed $1"
			fi
			;;
		esac
	}

	# remove_file CLAIM FILE NEW removes a file in a directory of the user, and the temporary file NEW.
	remove_file() {
		[ -e "$2" ] || [ -e "$3" ] || return 0
		if [ -n "$prune" ] && as_user rm -f -- "$2" "$3" </dev/null; then
			removed="$removed $2"
			return
		fi
		left="$left$1
"
		if [ -n "$prune" ]; then
			warn "could not remove $2: $(user_output | tail -n 1)"
		else
			warn "the config no longer names $2, which an earlier setup installed; --prune removes it"
		fi
	}
