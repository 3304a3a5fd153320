	# clear_leftovers: what the record has and the config does not. Units and sudo rules go at once,
	# files with content with --prune.
	clear_leftovers() {
		begin leftovers
		left='' removed=''
		old=$(print_claims | grep -vxF -f - "$record" | grep -v '^#') || :
{%- if !services.is_empty() %}
		replace_services
{%- endif %}
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

	# replace_services stops those of them that run, and starts what runs the app in their place. After
	# a kill in between the next setup starts it.
	replace_services() {
		set --
		for unit in $(printf '%s\n' "$old" | sed -n 's/^unit //p'); do
			file=/etc/systemd/system/$unit
			if [ -f "$file" ] && [ ! -L "$file" ] && systemctl is-active --quiet -- "$unit"; then
				set -- "$@" "$unit"
			fi
		done
		if [ $# != 0 ]; then
			(umask 077 && mkdir -p "$kept" && printf '%s\n' "$*" >"$kept/stopped")
		elif [ ! -e "$kept/stopped" ]; then
			return 0
		fi
		if ! exchange_services "$@"; then
			warn "could not start $services in place of $(cat "$kept/stopped")"
		fi
		rm -f "$kept/stopped"
	}

	# exchange_services UNIT...: a signal waits until the app is back.
	exchange_services() (
		trap '' HUP INT PIPE TERM
		[ $# = 0 ] || run systemctl stop -- "$@" || :
		[ ! -e "$root/current/" ] || run systemctl start --{% for service in services %} {{ service.name }}{% endfor %}
	)
{%- endif %}

	# remove_unit UNIT: stopped, disabled, gone.
	remove_unit() {
		file=/etc/systemd/system/$1
		rm -f -- "$file.new"
		if [ -f "$file" ] && [ ! -L "$file" ]; then
			run systemctl disable --now --quiet -- "$1" || warn "could not stop and disable $1"
			rm -f -- "$file"
			run systemctl daemon-reload
			systemctl reset-failed -- "$1" 2>/dev/null || :
			removed="$removed $1"
		fi
	}

	# remove_rule FILE
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

	# remove_file CLAIM FILE NEW: one in a directory of the user's, and what was to replace it.
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
