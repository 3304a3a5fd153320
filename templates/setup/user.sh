	ensure_user() {
		begin user
		if ! getent passwd "$user" >/dev/null; then
			run useradd -m -s /bin/bash -- "$user"
			outcome=changed
		fi
		home=$(home_of "$user")
		[ -d "$home" ] || die 1 "the home of $user is not there: $home"
		if [ "$home" != "/home/$user" ]; then
			case $root/:$venv/ in
			*/home/"$user"/*) warn "the home of $user is $home, but project_root and venv_dir are taken below /home/$user; write absolute paths for others" ;;
			esac
		fi
		check_account
		finish_step "Ensured deploy user $user exists"
	}

	# home_of USER prints the home directory.
	home_of() {
		getent passwd "$1" | cut -d : -f 6
	}

	# check_account: deploys log in as the user.
	check_account() {
		shell=$(getent passwd "$user" | cut -d : -f 7)
		case ${shell:-/bin/sh} in
		*/nologin | */false) warn "$user cannot log in: its shell is $shell; allow it with: usermod -s /bin/bash $user" ;;
		*) [ -x "${shell:-/bin/sh}" ] || warn "$user cannot log in: its shell $shell is not there; usermod -s /bin/bash $user" ;;
		esac
		today=$(($(date +%s) / 86400))
		account=$(getent shadow "$user" | cut -d : -f 3,5,8) || :
		changed_on=${account%%:*}
		expires_on=${account##*:}
		lasts=${account#*:}
		lasts=${lasts%:*}
		if [ -n "$expires_on" ] && [ "$expires_on" -le "$today" ]; then
			warn "$user cannot log in: the account has expired; allow it with: chage -E -1 $user"
		elif [ "$changed_on" = 0 ] || { [ -n "$changed_on" ] && [ -n "$lasts" ] && [ "$((changed_on + lasts))" -lt "$today" ]; }; then
			warn "$user cannot log in: its password has expired; allow it with: chage -d $(date +%F) -M -1 $user"
		fi
		[ ! -e /etc/nologin ] || warn "nobody but root can log in: there is a file /etc/nologin"
		if [ -n "$(find -H "$home" -prune -perm /022)" ]; then
			warn "sshd reads no keys below $home, which others can write: chmod go-w $home"
		fi
		check_sshd
	}

	# check_sshd: what sshd is configured to do with a login of the user.
	check_sshd() {
		command -v sshd >/dev/null || return 0
		settings=$(isolated sshd -T -C "user=$user,host=localhost,addr=127.0.0.1" 2>/dev/null) || return 0
		groups=$(id -Gn "$user")
		if [ "$(setting pubkeyauthentication)" = no ]; then
			warn 'sshd takes no keys: PubkeyAuthentication is no'
		fi
		if ! setting authorizedkeysfile | tr ' ' '\n' | grep -qxF -e .ssh/authorized_keys -e %h/.ssh/authorized_keys -e "$home/.ssh/authorized_keys"; then
			warn "sshd does not read $home/.ssh/authorized_keys: AuthorizedKeysFile is $(setting authorizedkeysfile)"
		fi
		if is_listed denyusers "$user"; then
			warn "sshd does not let $user in: DenyUsers names it"
		fi
		if is_listed denygroups "$groups"; then
			warn "sshd does not let $user in: DenyGroups names a group of it"
		fi
		if [ -n "$(setting allowusers)" ] && ! is_listed allowusers "$user"; then
			warn "sshd does not let $user in: AllowUsers does not name it"
		fi
		if [ -n "$(setting allowgroups)" ] && ! is_listed allowgroups "$groups"; then
			warn "sshd does not let $user in: AllowGroups names no group of it"
		fi
		command=$(setting forcecommand)
		if [ "${command:-none}" != none ]; then
			warn "sshd runs another command for $user than it is asked to: ForceCommand $command"
		fi
	}

	# setting NAME prints the values of one of sshd's settings, each on a line.
	setting() {
		printf '%s\n' "$settings" | sed -n "s/^$1 //p"
	}

	# is_listed SETTING NAMES: one of the names is matched by a pattern of the setting, from any host.
	is_listed() {
		for pattern in $(setting "$1"); do
			for name in $2; do
				# shellcheck disable=SC2254 # it is a pattern
				case $name in
				${pattern%@*}) return 0 ;;
				esac
			done
		done
		return 1
	}
