	ensure_user() {
		begin user
		if ! entry=$(getent passwd "$user"); then
			run useradd -m -s /bin/bash -- "$user"
			outcome=changed
			entry=$(getent passwd "$user")
		fi
		shell=${entry##*:}
		entry=${entry%:*}
		home=${entry##*:}
		[ -d "$home" ] || die 1 "the home of $user is not there: $home"
		if [ "$home" != "/home/$user" ]; then
			case $root/:$venv/ in
			*/home/"$user"/*) warn "the home of $user is $home, but project_root and venv_dir are taken below /home/$user; write absolute paths for others" ;;
			esac
		fi
		check_account
		finish_step "Ensured deploy user $user exists"
	}

	# home_of USER prints its home directory.
	home_of() {
		getent passwd "$1" | cut -d : -f 6
	}

	# check_account: deploys log in as the user, so its account must allow it.
	check_account() {
		shell=${shell:-/bin/sh}
		case $shell in
		*/nologin | */false) no_login "its shell is $shell" "usermod -s /bin/bash $user" ;;
		*) [ -x "$shell" ] || no_login "its shell $shell is not there" "usermod -s /bin/bash $user" ;;
		esac
		case $(getent shadow "$user" | awk -F : -v today="$(($(date +%s) / 86400))" "$what_expired") in
		account) no_login 'the account has expired' "chage -E -1 $user" ;;
		password) no_login 'its password has expired' "chage -d $(date +%F) -M -1 $user" ;;
		esac
		[ ! -e /etc/nologin ] || warn "nobody but root can log in: there is a file /etc/nologin"
		if [ -n "$(find -H "$home" -prune -perm /022)" ]; then
			warn "sshd reads no keys below $home, which others can write: chmod go-w $home"
		fi
		check_sshd
	}

	# no_login REASON COMMAND warns that the user cannot log in, and how to change that.
	no_login() {
		warn "$user cannot log in: $1; allow it with: $2"
	}

	# Dates are days; a password changed on day 0 must be changed at once.
	what_expired='
		$8 != "" && $8 <= today { print "account"; exit }
		$3 == "0" || $3 != "" && $5 != "" && $3 + $5 < today { print "password" }
	'

	# check_sshd warns when sshd's configuration does not allow the user to log in.
	check_sshd() {
		command -v sshd >/dev/null || return 0
		settings=$(isolated sshd -T -C "user=$user,host=localhost,addr=127.0.0.1" 2>/dev/null) || return 0
		settings=$(printf '%s\n' "$settings" | grep -E '^(pubkeyauthentication|authorizedkeysfile|(allow|deny)(users|groups)|forcecommand) ') || return 0
		if [ "$(setting pubkeyauthentication)" = no ]; then
			warn 'sshd takes no keys: PubkeyAuthentication is no'
		fi
		if ! setting authorizedkeysfile | tr ' ' '\n' | grep -qxF -e .ssh/authorized_keys -e %h/.ssh/authorized_keys -e "$home/.ssh/authorized_keys"; then
			warn "sshd does not read $home/.ssh/authorized_keys: AuthorizedKeysFile is $(setting authorizedkeysfile)"
		fi
		check_lists Users users "$user" it
		check_lists Groups groups "$(id -Gn "$user")" 'a group of it'
		command=$(setting forcecommand)
		if [ "${command:-none}" != none ]; then
			warn "sshd runs another command for $user than it is asked to: ForceCommand $command"
		fi
	}

	# check_lists Users|Groups users|groups NAMES WHAT checks NAMES against sshd's Deny and Allow lists.
	check_lists() {
		! is_listed "deny$2" "$3" || warn "sshd does not let $user in: Deny$1 names $4"
		if [ -n "$(setting "allow$2")" ] && ! is_listed "allow$2" "$3"; then
			warn "sshd does not let $user in: Allow$1 does not name $4"
		fi
	}

	# setting NAME prints the values of a setting of sshd, one a line.
	setting() {
		while read -r key value; do
			if [ "$key" = "$1" ]; then
				printf '%s\n' "$value"
			fi
		done <<EOF
$settings
EOF
	}

	# is_listed SETTING NAMES: one of the names matches a pattern of the setting, regardless of its host
	# part.
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
