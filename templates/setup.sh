#!/bin/sh
# setup.sh: makes a server ready for deploy.sh.
#
#   sudo sh setup.sh
#
# Run it as root on {{ server.host }}. What a step finds done, it leaves as it is:
#   user         the account {{ server.project_user }}
#   keys         who may log in as root may log in as {{ server.project_user }}
#   directories  {{ server.project_root }}
#   packages     those named in the settings below
{%- if let Some(unit) = unit %}
#   sudo         {{ server.project_user }} may restart {{ unit.name }} as root, and nothing else
{%- else %}
#   sudo         {{ server.project_user }} loses the unlimited rights that an older tool gave
{%- endif %}
#   virtualenv   {{ server.venv_dir }}
{%- if !known_hosts.is_empty() %}
#   known-hosts  the keys of the hosts that code comes from
{%- endif %}
{%- if let Some(unit) = unit %}
#   service      {{ unit.name }}, enabled; the first deploy starts it
{%- endif %}
{%- if !secrets.is_empty() %}
#   secrets      files in {{ server.project_root }}/shared
{%- endif %}
#
# In a directory that {{ server.project_user }} can write, root changes nothing itself: it acts as
# {{ server.project_user }} there, so that a link planted in it leads no further than {{ server.project_user }} may go.
#
# Exit status: 0 done; 1 a step failed, run it again when that is mended; 2 refused.

# The braces make the shell read all of it first: half a file runs nothing.
# Single quotes hold what the programs started here expand{% if redacted %}, and without its secrets
# this copy stops before its first step{% endif %}.
# shellcheck disable=SC2016{% if redacted %},SC2317{% endif %}
{
	# ---- settings

	user={{ server.project_user }}
	root={{ server.project_root }}
	venv={{ server.venv_dir }}
	packages={{ packages }}
{%- if let Some(unit) = unit %}
	unit={{ unit.name }}
	sudo_file={{ unit.sudo_file }}
{%- endif %}

{% include "parts/talk.sh" %}
{%- if redacted %}

{% include "parts/redacted.sh" %}
{%- endif %}

	# tell TEXT: the step is over, and counts by its outcome.
	tell() {
		report "$outcome" "$1"
		case $outcome in
		ok) unchanged=$((unchanged + 1)) ;;
		changed) changed=$((changed + 1)) ;;
		warning) warnings=$((warnings + 1)) ;;
		esac
		outcome=ok
	}

{% include "parts/as_user.sh" %}

	# ---- steps

	ensure_user() {
		begin user
		if ! getent passwd "$user" >/dev/null; then
			useradd -m -s /bin/bash -- "$user"
			outcome=changed
		fi
		home=$(home_of "$user")
		[ -d "$home" ] || die 1 "the home of $user is not there: $home"
		tell "Ensured deploy user $user exists"
	}

	# home_of USER prints the home directory.
	home_of() {
		getent passwd "$1" | cut -d : -f 6
	}

	copy_keys() {
		begin keys
		# Through sudo, it is the caller's keys that open this host.
		source=$(home_of "${SUDO_USER:-root}")/.ssh/authorized_keys
		[ -f "$source" ] || source=/dev/null
		keys=$home/.ssh/authorized_keys
		# find tells what is missing or has another mode than sshd likes.
		if [ -n "$(find -H "$home/.ssh" "$keys" -prune \( -type d \( ! -perm -700 -o -perm /077 \) -o -type f ! -perm 600 \) 2>&1)" ]; then
			as_user sh -c '
				set -e
				umask 077
				mkdir -p "$1"
				: >>"$2"
				chmod 700 "$1"
				chmod 600 "$2"
			' sh "$home/.ssh" "$keys"
			outcome=changed
		fi
		lines=$(as_user awk "$new_keys" have=1 "$keys" have=0 - <"$source")
		if [ -n "$lines" ]; then
			printf '%s\n' "$lines" | append authorized_keys
			outcome=changed
		fi
		if [ -s "$keys" ]; then
			tell 'Copied SSH authorized_keys'
		else
			outcome=warning
			tell "Found no authorized_keys to copy; nobody can log in as $user yet"
		fi
	}

	# Prints the lines of the second file with keys that the first does not have. What the first
	# says about a key, such as from="..." before it, holds.
	new_keys='
		/^[ \t]*(#|$)/ { next }
		{
			key = $0
			for (i = 1; i <= NF; i++)
				if ($i ~ /^AAAA/) {
					key = ($0 ~ /cert-authority/) " " $i
					break
				}
		}
		have { seen[key] }
		!(key in seen) { seen[key]; print }
	'

	make_directories() {
		begin directories
		own "$root" "$root/releases" "$root/shared" "$root/shared/media" "$root/.pystrano"{% if release_venv %} "$root/venvs"{% endif %}
		tell 'Prepared remote directory structure'
	}

	install_packages() {
		begin packages
		missing=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Package}:${Architecture} ${Package}=${Version} ${Package}:${Architecture}=${Version} ${Provides}\n' |
			awk -v wanted="$packages" "$not_installed")
		if [ -n "$missing" ]; then
			set --
			for package in $missing; do
				set -- "$@" "$package"
			done
			apt update
			# Packages' questions get their defaults, files in /etc that were changed are kept, and
			# needrestart restarts nothing.
			apt install -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -- "$@"
			outcome=changed
		fi
		tell 'Installed system packages'
	}

	# Prints those of the wanted packages that are neither installed nor provided by one that is.
	not_installed='
		$1 == "installed" {
			gsub(",", " ")
			for (i = 2; i <= NF; i++)
				have[$i]
		}
		END {
			count = split(wanted, names, " ")
			for (i = 1; i <= count; i++) {
				name = names[i]
				sub("/.*", "", name) # name/release
				if (!(name in have))
					print names[i]
			}
		}
	'

	# apt COMMAND: waits up to ten minutes for others to let go of the locks of apt. What it
	# prints is kept until it ends: a write to a lost connection would kill it half done.
	apt() {
		deadline=$(($(date +%s) + 600))
		until output=$(LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
			apt-get -q -o DPkg::Lock::Timeout=60 "$@" 2>&1); do
			case $output in
			*'Could not get lock'*) [ "$(date +%s)" -ge "$deadline" ] || {
				sleep 3
				continue
			} ;;
			esac
			printf '%s\n' "$output" >&2
			die 1 "apt-get $1 failed"
		done
	}

	limit_sudo() {
		begin sudo
{%- if let Some(unit) = unit %}
		systemctl=/usr/bin/systemctl
		[ -x "$systemctl" ] || systemctl=$(command -v systemctl)
		rule={{ unit.sudo_user }}" ALL=(root) NOPASSWD: $systemctl restart "{{ unit.sudo_unit }}
		if [ "$(cat "$sudo_file" 2>/dev/null)" != "$rule" ]; then
			# sudo passes over names with a dot: the rule does not hold before it was checked.
			new=$sudo_file.new
			printf '%s\n' "$rule" >"$new"
			chmod 440 "$new"
			visudo -cf "$new" >/dev/null
			mv -f "$new" "$sudo_file"
			outcome=changed
		fi
		text="Limited sudo for $user to restarting $unit"
{%- else %}
		text="Left $user without unlimited sudo"
{%- endif %}
		old=/etc/sudoers.d/$user
		if [ "$(cat "$old" 2>/dev/null)" = "$user ALL=(ALL) NOPASSWD:ALL" ]; then
			rm "$old"
			outcome=changed
		elif [ -s "$old" ]; then
			text="$text, but $old may give it more"
			outcome=warning
		fi
		tell "$text"
	}

	make_virtualenv() {
		begin virtualenv
{%- if release_venv %}
		# Each release brings its own, and this name follows the current one.
		if [ ! -e "$venv" ] && [ ! -L "$venv" ]; then
			own "${venv%/*}"
			as_user ln -s "$root/current/.pystrano/venv" "$venv"
			outcome=changed
		fi
{%- if uv %}
		provide "$root/.pystrano/uv"
		provide_uv "$root/.pystrano/uv"
{%- endif %}
{%- else %}
{%- if uv %}
		# One that uv made anew, for another Python, has no pip; deploy.sh brings its own uv then.
		if ! as_user grep -qs '^uv = ' "$venv/pyvenv.cfg" || ! as_user "$venv/bin/python" -c ''; then
			provide "$venv"
			provide_uv "$venv"
		fi
{%- else %}
		provide "$venv"
{%- endif %}
{%- endif %}
		tell "Provisioned virtualenv at $venv"
	}
{%- if !release_venv || uv %}

	# provide DIR: a virtualenv that works: its python runs, and has pip where that version looks.
	provide() {
		if ! as_user "$1/bin/python" -I -S -c "$find_pip" "$1" 2>/dev/null; then
			own "$1"
			as_user python3 -m venv "$1"
			outcome=changed
		fi
	}

	find_pip='import sys; open("%s/lib/python%d.%d/site-packages/pip/__init__.py" % (sys.argv[1], *sys.version_info[:2]))'

{%- endif %}
{%- if uv %}

	# provide_uv DIR: uv in that virtualenv.
	provide_uv() {
		if [ ! -x "$1/bin/uv" ]; then
			as_user "$1/bin/pip" install --quiet --disable-pip-version-check --no-input uv
			outcome=changed
		fi
	}
{%- endif %}
{%- if !known_hosts.is_empty() %}

	know_hosts() {
		begin known-hosts
{%- for host in known_hosts %}
{%- match host %}
{%- when KnownHost::Scan with { host, port } %}
		scan {{ host }} {{ port.unwrap_or(22) }}
{%- when KnownHost::Pinned with (line) %}
		pin {{ line }}
{%- endmatch %}
{%- endfor %}
		tell 'Updated known hosts'
	}
{%- if scans %}

	# scan HOST PORT: asks for the host's keys, unless some are known.
	scan() {
		case $2 in
		22) name=$1 ;;
		*) name="[$1]:$2" ;;
		esac
		if ! as_user ssh-keygen -F "$name" -f "$home/.ssh/known_hosts" >/dev/null 2>&1; then
			lines=$(as_user ssh-keyscan -T 15 -p "$2" -- "$1" 2>/dev/null) || :
			[ -n "$lines" ] || die 1 "ssh-keyscan got no key from $1, port $2"
			printf '%s\n' "$lines" | append known_hosts
			outcome=changed
		fi
	}
{%- endif %}
{%- if pins %}

	# pin LINE: as it is.
	pin() {
		if ! as_user grep -qxF -e "$1" "$home/.ssh/known_hosts" 2>/dev/null; then
			printf '%s\n' "$1" | append known_hosts
			outcome=changed
		fi
	}
{%- endif %}
{%- endif %}
{%- if let Some(unit) = unit %}

	register_unit() {
		begin service
		file=/etc/systemd/system/$unit
		[ ! -L "$file" ] || die 1 "$file is a link to $(readlink "$file"), as of a masked unit; remove it first"
		if ! print_unit | cmp -s - "$file"; then
			new=$file.new
			print_unit >"$new"
			mv -f "$new" "$file"
			systemctl daemon-reload
			outcome=changed
		fi
		state=$(systemctl show --property=UnitFileState --property=NeedDaemonReload -- "$unit")
		case $state in
		*NeedDaemonReload=yes*)
			systemctl daemon-reload
			outcome=changed
			;;
		esac
		case $state in
		*UnitFileState=disabled* | *UnitFileState=*-runtime*)
			systemctl enable --quiet -- "$unit"
			outcome=changed
			;;
		esac
		tell "Registered $unit"
	}

	# The unit, byte for byte.
	print_unit() {
		printf %s {{ unit.text }}
	}
{%- endif %}
{%- if !secrets.is_empty() %}

	put_secrets() {
		begin secrets
		umask 077 # some shells keep the text below in a file while they pass it on
{%- for secret in secrets %}
		put {{ secret.name }} <<\EOF
{{ secret.text|safe }}
EOF
{%- endfor %}
		tell 'Uploaded secrets to shared directory'
	}

	# put NAME: the base64 text on stdin becomes shared/NAME, unless it is that already.
	put() {
		made=$(as_user sh -c '
			set -eu
			umask 077
			text=$(cat)
			decode() {
				base64 -d <<EOF
$text
EOF
			}
			if [ -n "$(find "$1" -prune -type f -user "$3" -perm 600 2>/dev/null)" ] && decode | cmp -s - "$1"; then
				exit
			fi
			if [ -d "$1" ] && [ ! -L "$1" ]; then
				printf "%s\n" "$1 is a directory" >&2
				exit 1
			fi
			rm -f "$2"
			decode >"$2" || {
				rm -f "$2"
				exit 1
			}
			[ ! -L "$1" ] || rm "$1"
			mv -f "$2" "$1"
			echo made
		' sh "$root/shared/$1" "$root/.pystrano/secret.new" "$user")
		[ -z "$made" ] || outcome=changed
	}
{%- endif %}

	# ---- the run

	# Every way out leads through here.
	# shellcheck disable=SC2317 # the trap calls it
	finish() {
		status=$?
		set +e
		trap - EXIT
		trap '' HUP INT PIPE TERM
		[ -z "$new" ] || rm -f "$new"
		if [ "$status" = 0 ]; then
			event "fact changed $changed"
			event 'end 0 done'
			[ -n "$nonce" ] || summarize
			exit 0
		fi
		if [ -n "$nonce" ]; then
			event "fail $step $status $reason"
		else
			printf '%-7s %s\n' failed "$step, exit status $status${reason:+: $reason}" >&2
		fi
		if [ "$stage" = refusing ]; then
			event 'end 2 refused'
			exit 2
		fi
		event 'end 1 failed'
		exit 1
	}

	# shellcheck disable=SC2317 # finish calls it
	summarize() {
		line="setup: $changed changed, $unchanged ok"
		[ "$warnings" = 0 ] || line="$line, $warnings to look at"
		printf '%s\n' "$line"
	}

	main() {
		set -euf
		unset CDPATH
		umask 022
		export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
		stage=refusing outcome=ok changed=0 unchanged=0 warnings=0 new=''
		for word in "$@"; do
			case $word in
			nonce=*) nonce=${word#*=} ;;
			who=*) ;; # deploy.sh writes it down; what setup does can be seen
			*)
				printf '%s\n' 'usage: sh setup.sh' >&2
				exit 2
				;;
			esac
		done
{%- if redacted %}
		refuse
{%- endif %}
		[ -z "$nonce" ] || exec 2>&1
		event 'start setup -'
		trap finish EXIT
		trap 'exit 129' HUP
		trap 'exit 130' INT
		trap 'exit 141' PIPE
		trap 'exit 143' TERM
		[ "$(id -u)" = 0 ] || die 2 'setup.sh must run as root: sudo sh setup.sh'
		stage=working
		cd / # the user may be there, too
		ensure_user
		copy_keys
		make_directories
		install_packages
		limit_sudo
		make_virtualenv
{%- if !known_hosts.is_empty() %}
		know_hosts
{%- endif %}
{%- if unit.is_some() %}
		register_unit
{%- endif %}
{%- if !secrets.is_empty() %}
		put_secrets
{%- endif %}
	}

	exec </dev/null
	main "$@"
	exit
}
