#!/bin/sh
# setup.sh: makes a server ready for deploy.sh.
#
#   sudo sh setup.sh
#
# Run it as root on staging.example.com. What a step finds done, it leaves as it is:
#   ownership    orders/staging has the names and directories below to itself on this host
#   user         the account orders
#   keys         who may log in as root may log in as orders
#   directories  /home/orders/apps/orders
#   packages     those named in the settings below
#   sudo         orders may restart orders.service as root, and nothing else
#   virtualenv   /home/orders/.venv-orders
#   known-hosts  the keys of the hosts that code comes from
#   service      orders.service, enabled; the first deploy starts it
#
# In a directory that orders can write, root changes nothing itself: it acts as
# orders there, so that a link planted in it leads no further than orders may go.
#
# Exit status: 0 done; 1 a step failed, run it again when that is fixed; 2 refused.

# The braces make the shell read all of it first: half a file runs nothing.
# Single quotes hold what the programs started here expand; run and traps call functions by name.
# shellcheck disable=SC2016,SC2317
{
	# ---- settings

	user=orders
	root=/home/orders/apps/orders
	venv=/home/orders/.venv-orders
	packages='python3 python3-venv python3-pip git curl ca-certificates sudo openssh-client libpq5'
	unit=orders.service
	sudo_file=/etc/sudoers.d/pystrano-orders,orders+service

	state=/var/lib/pystrano

	# ---- talking: lines for a person, or marked events for a controller that gave a nonce

	nonce=''      # marks the controller's events; empty when run by hand
	step=start    # the step being run
	step_began='' # when, by hand
	reason=''     # why it failed, where that is known

	# event WORDS: one line to the controller.
	event() {
		[ -z "$nonce" ] || printf '@%s %s\n' "$nonce" "$*" || :
	}

	# begin STEP
	begin() {
		step=$1
		[ -n "$nonce$step_began" ] || step_began=$(date +%s)
		event "step $1"
	}

	# report ok|changed|warning TEXT: the step is over.
	report() {
		if [ -n "$nonce" ]; then
			event "done $step $1 $2"
		else
			now=$(date +%s)
			printf '%-7s %s (%s s)\n' "$1" "$2" "$((now - step_began))" || :
			step_began=$now # of the next step
		fi
	}

	# die STATUS REASON
	die() {
		reason=$2
		exit "$1"
	}

	# ---- running commands

	# isolated COMMAND: without descriptors 9, the lock, and 3, the controller's orders: a command may
	# outlive this shell.
	isolated() {
		"$@" 3<&- 9>&-
	}

	# run COMMAND: isolated, and what it prints goes through relay. So no command holds the terminal or
	# the controller's channel, none fails because nobody reads, and none that stays in the background
	# is waited for.
	run() {
		with_status "$@" 2>&1 | relay
	}

	# with_status COMMAND prints $mark and the exit status after all that it printed.
	with_status() {
		exec 3<&- 9>&-
		trap : HUP INT TERM # the command may die of them; this tells of it
		code=0
		"$@" || code=$?
		printf '\n%s %s\n' "$mark" "$code"
	}

	# relay shows the lines on its stdin up to the one with $mark, and ends with the status there.
	relay() {
		exec 3<&- 9>&-
		trap '' HUP INT PIPE TERM
		while IFS= read -r line; do
			case $line in
			'') ;;
			"$mark "*) exit "${line#"$mark "}" ;;
			*) show "$line" 2>/dev/null || : ;;
			esac
		done
		exit 137 # with_status was killed
	}

	# show LINE, without what a terminal would act on.
	show() {
		if [ -n "$nonce" ]; then
			event "out $1"
		else
			case $1 in
			*[!\ -~]*) printf '%s\n' "$1" | LC_ALL=C sed "$terminal_codes" ;;
			*) printf '%s\n' "$1" ;;
			esac
		fi
	}

	# What a carriage return overwrites, escape sequences, control characters.
	terminal_codes='s/\r$//; s/.*\r//; s/\x1b\[[0-?]*[ -/]*[@-~]//g; s/\x1b][^\x07\x1b]*//g
		s/\xc2[\x80-\x9f]//g; s/[\x01-\x08\x0b-\x1f\x7f]//g'

	# finish_step TEXT: the step is over, and counts by its outcome.
	finish_step() {
		report "$outcome" "$1"
		case $outcome in
		ok) unchanged=$((unchanged + 1)) ;;
		changed) changed=$((changed + 1)) ;;
		warning) warnings=$((warnings + 1)) ;;
		esac
		outcome=ok
	}

	# ---- who owns what on this host

	# setup.sh keeps a file for each app and environment, readable by all: /var/lib/pystrano/apps/APP/ENVIRONMENT.
	# Each line is a kind, a space and a value: user, root (project_root), venv (venv_dir), unit,
	# sudo (file of the rule), deploy-key and secret (files). Lines with # are comments.
	app=orders/staging
	records=/var/lib/pystrano/apps

	# owner_of KIND VALUE prints which other app and environment of this host has it, if one does.
	owner_of() {
		grep -rlxF -e "$1 $2" "$records" 2>/dev/null | sed "s|^$records/||" | grep -vxF -e "$app" | head -n 1
	}
	record=$records/$app

	# ---- acting as the app user

	# as_user COMMAND: in a session of its own, which cannot type into root's terminal; nor is it given
	# that as a descriptor, so it is always started by run or by captured, or with all output redirected.
	as_user() (
		export HOME="$home" USER="$user" LOGNAME="$user"
		isolated setsid -w runuser -u "$user" -- "$@"
	)

	# captured COMMAND: as by run, but its output is the caller's to read; only its messages are shown.
	captured() {
		{
			with_status messages_only "$@" | relay >&2 4>&-
		} 4>&1
	}

	messages_only() {
		"$@" 2>&1 >&4 4>&-
	}

	# append NAME: adds the lines on stdin to a file in the user's .ssh.
	append() {
		run as_user sh -c '
			umask 077
			# A last line that was never ended must not run into the first new one.
			[ -z "$(tail -c 1 "$1" 2>/dev/null)" ] || echo >>"$1"
			cat >>"$1"
		' sh "$home/.ssh/$1"
	}

	# own DIR...: makes those that are missing, for the user. The first holds the others.
	own() {
		if ! made=$(captured as_user sh -c "$make_missing" sh "$@"); then
			reason=$(hand_over "$1")
			made=$1$(captured as_user sh -c "$make_missing" sh "$@")
		fi
		[ -z "$made" ] || outcome=changed
	}

	make_missing='
		for directory; do
			[ -d "$directory" ] && [ -w "$directory" ] && continue
			# An empty one that root left here can be made anew.
			rmdir "$directory" 2>/dev/null
			mkdir -p "$directory" 2>/dev/null && [ -w "$directory" ] || exit 1
			echo made
		done
	'

	# hand_over DIR: root makes DIR where the user may not, and gives it to the user. It walks
	# there from /, because what it stands in cannot be exchanged under its feet, and it follows
	# links only in directories that nobody but root can change. It prints why it could not.
	hand_over() (
		cd /
		here=
		IFS=/
		for name in $1; do
			[ -n "$name" ] || continue
			safe=$(roots_alone)
			[ -e "./$name" ] || [ -z "$safe" ] || mkdir "./$name"
			if ! cd -P "./$name"; then
				printf '%s\n' "$user cannot make $1, and ${here:-/} is not root's alone"
				exit 1
			fi
			if [ -z "$safe" ] && [ "$(pwd -P)" != "$here/$name" ]; then
				printf '%s\n' "$here/$name is a link, and $here is not root's alone"
				exit 1
			fi
			here=$(pwd -P)
		done
		if [ -z "$(roots_alone)" ] || [ -n "$(ls -A)" ]; then
			printf '%s\n' "$user cannot write $1; if it is meant for this app: chown -R $user: $1"
			exit 1
		fi
		chown "$user:" .
	)

	# roots_alone prints something when only root can change the directory it stands in.
	roots_alone() {
		find . -prune -user 0 ! -perm -020 ! -perm -002
	}

	# ---- steps

	# take_lock: one setup at a time on this host. The kernel frees the lock when this shell dies,
	# so no command that may outlive the shell keeps descriptor 9.
	take_lock() {
		begin lock
		mkdir -p "$records"
		exec 9>>"$state/lock"
		if ! flock -n 9 9>&9; then # some shells keep descriptors to themselves
			die 2 "another setup is at work on $(uname -n): $(head -c 200 "$state/lock")"
		fi
		printf '%s\n' "$app for ${who:-${SUDO_USER:-root}}, since $(date -u +%Y-%m-%dT%H:%M:%SZ), process $$" >"$state/lock"
	}

	# What this app and environment has on the host, as its record lists it.
	print_claims() {
		printf '%s\n' \
			"user $user" \
			"root $root" \
			"venv $venv" \
			"unit $unit" \
			"sudo $sudo_file"
	}

	# own_things: nothing is changed before it is certain that it is nobody else's, and nothing is
	# made before the record says whose it is.
	own_things() {
		begin ownership
		check_identity
		check_path "$root" project_root
		check_path "$venv" venv_dir
		check_project_root
		check_virtualenv
		check_unit
		stage=working
		known=$(grep -v '^#' "$record" 2>/dev/null) || :
		write_record "$(
			print_claims
			printf '%s\n' "$known"
		)"
		finish_step "Recorded what $app has on this host"
	}

	# recorded KIND VALUE: an earlier setup of this app made it, or adopted it.
	recorded() {
		grep -qxF -e "$1 $2" "$record" 2>/dev/null
	}

	# write_record LINES: whole or not at all, each line once.
	write_record() {
		new=$state/new
		{
			printf '%s\n' "# What $app has on this host. setup.sh writes it; setup.sh and deploy.sh of other apps leave these alone."
			printf '%s\n' "$1" | awk 'NF && !seen[$0]++'
		} >"$new"
		if cmp -s "$new" "$record"; then
			rm "$new"
		else
			mkdir -p "${record%/*}"
			mv -f "$new" "$record"
			outcome=changed
		fi
		new=''
	}

	# check_identity: another project with this app's name is not this app.
	check_identity() {
		for kind in user root; do
			case $kind in
			user) now=$user ;;
			root) now=$root ;;
			esac
			before=$(sed -n "s/^$kind //p" "$record" 2>/dev/null | head -n 1)
			[ -z "$before" ] || [ "$before" = "$now" ] ||
				die 2 "$app has $before on this host, not $now; if it is another project, rename one of them; if it moved, remove $record"
		done
	}

	# check_path PATH FIELD: no other app has it, by this or another name.
	check_path() {
		others=$(find "$records" -type f ! -path "$record" -exec sed -n -e 's/^root //p' -e 's/^venv //p' {} + 2>/dev/null)
		while IFS= read -r other; do
			if [ "$other" = "$1" ] || { [ -n "$other" ] && [ -n "$(find -L "$other" -maxdepth 0 -samefile "$1" 2>/dev/null)" ]; }; then
				owner=$(
					owner_of root "$other"
					owner_of venv "$other"
				)
				die 2 "$1 belongs to $owner on this host; give $app a $2 of its own"
			fi
		done <<EOF
$others
EOF
	}

	# check_project_root: it is not of another deploy tool.
	check_project_root() {
		if ! recorded root "$root"; then
			for name in .dep repo/HEAD scm/HEAD; do
				[ ! -e "$root/$name" ] ||
					die 2 "$root is of another deploy tool, which made $root/$name; name another project_root, or move that away"
			done
		fi
	}

	# check_virtualenv: what is there is a virtualenv, or a link of ours.
	check_virtualenv() {
		link=$(readlink "$venv") || link=''
		case $link in
		"$root/current/.pystrano/venv") ;;
		*/current/.pystrano/venv) die 2 "$venv belongs to another project, it leads to $link; name another venv_dir" ;;
		esac
		if ! recorded venv "$venv" && [ ! -e "$venv/pyvenv.cfg" ] && [ -n "$(find "$venv" -prune -type d ! -empty 2>/dev/null)" ]; then
			die 2 "$venv is no virtualenv, and not empty; name another venv_dir, or move it away"
		fi
	}

	# check_unit: the unit's name is free, or the unit is this app's.
	check_unit() {
		file=/etc/systemd/system/$unit
		owner=$(owner_of unit "$unit")
		[ -z "$owner" ] || die 2 "$unit belongs to $owner on this host; give the service_file of $app another name"
		owner=$(owner_of sudo "$sudo_file")
		[ -z "$owner" ] || die 2 "$sudo_file belongs to $owner on this host"
		[ ! -L "$file" ] || die 2 "$file is a link to $(readlink "$file"), as of a masked unit or another unit's name; remove it first, or give service_file another name"
		if ! recorded unit "$unit"; then
			found=$(systemctl show --property=Id --property=FragmentPath -- "$unit")
			name=$(printf '%s\n' "$found" | sed -n 's/^Id=//p')
			[ "${name:-$unit}" = "$unit" ] ||
				die 2 "$unit is another name of $name, a unit of this host; give service_file another name"
			path=$(printf '%s\n' "$found" | sed -n 's/^FragmentPath=//p')
			case $path in
			'' | "$file") ;;
			*) die 2 "$unit is a unit of this host, $path; give service_file another name" ;;
			esac
			# One of an earlier setup, or of the Python tool, names the project.
			if [ -s "$file" ] && ! sed 's|$|/|' "$file" | grep -qF -e "$root/" && ! print_unit | cmp -s - "$file"; then
				die 2 "$file is not of $app: it does not name $root; give service_file another name, or remove that unit first"
			fi
		fi
	}

	ensure_user() {
		begin user
		if ! getent passwd "$user" >/dev/null; then
			run useradd -m -s /bin/bash -- "$user"
			outcome=changed
		fi
		home=$(home_of "$user")
		[ -d "$home" ] || die 1 "the home of $user is not there: $home"
		finish_step "Ensured deploy user $user exists"
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
			run as_user sh -c '
				set -e
				umask 077
				mkdir -p "$1"
				: >>"$2"
				chmod 700 "$1"
				chmod 600 "$2"
			' sh "$home/.ssh" "$keys"
			outcome=changed
		fi
		lines=$(captured as_user awk "$new_keys" have=1 "$keys" have=0 - <"$source")
		if [ -n "$lines" ]; then
			printf '%s\n' "$lines" | append authorized_keys
			outcome=changed
		fi
		if [ -s "$keys" ]; then
			finish_step 'Copied SSH authorized_keys'
		else
			outcome=warning
			finish_step "Found no authorized_keys to copy; nobody can log in as $user yet"
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
		own "$root" "$root/releases" "$root/shared" "$root/shared/media" "$root/.pystrano" "$root/venvs"
		finish_step 'Prepared remote directory structure'
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
		finish_step 'Installed system packages'
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
		until output=$(isolated env LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
			apt-get -q -o DPkg::Lock::Timeout=60 "$@" 2>&1); do
			case $output in
			*'Could not get lock'*) [ "$(date +%s)" -ge "$deadline" ] || {
				sleep 3
				continue
			} ;;
			esac
			run printf '%s\n' "$output"
			die 1 "apt-get $1 failed"
		done
	}

	limit_sudo() {
		begin sudo
		systemctl=/usr/bin/systemctl
		[ -x "$systemctl" ] || systemctl=$(command -v systemctl)
		rule=orders" ALL=(root) NOPASSWD: $systemctl restart "orders.service
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
		old=/etc/sudoers.d/$user
		if [ "$(cat "$old" 2>/dev/null)" = "$user ALL=(ALL) NOPASSWD:ALL" ]; then
			rm "$old"
			outcome=changed
		elif [ -s "$old" ]; then
			text="$text, but $old may give it more"
			outcome=warning
		fi
		finish_step "$text"
	}

	make_virtualenv() {
		begin virtualenv
		# Each release brings its own, and this name follows the current one.
		if [ ! -e "$venv" ] && [ ! -L "$venv" ]; then
			own "${venv%/*}"
			run as_user ln -s "$root/current/.pystrano/venv" "$venv"
			outcome=changed
		fi
		provide "$root/.pystrano/uv"
		provide_uv "$root/.pystrano/uv"
		finish_step "Provisioned virtualenv at $venv"
	}

	# provide DIR: a virtualenv that works: its python runs, and has pip where that version looks.
	provide() {
		if ! as_user "$1/bin/python" -I -S -c "$find_pip" "$1" >/dev/null 2>&1; then
			own "$1"
			run as_user python3 -m venv "$1"
			outcome=changed
		fi
	}

	find_pip='import sys; open("%s/lib/python%d.%d/site-packages/pip/__init__.py" % (sys.argv[1], *sys.version_info[:2]))'

	# provide_uv DIR: uv in that virtualenv.
	provide_uv() {
		if [ ! -x "$1/bin/uv" ]; then
			run as_user "$1/bin/pip" install --quiet --disable-pip-version-check --no-input uv
			outcome=changed
		fi
	}

	know_hosts() {
		begin known-hosts
		scan git.example.com 22
		finish_step 'Updated known hosts'
	}

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

	register_unit() {
		begin service
		file=/etc/systemd/system/$unit
		[ ! -L "$file" ] || die 1 "$file is a link to $(readlink "$file"), as of a masked unit; remove it first"
		if ! print_unit | cmp -s - "$file"; then
			new=$file.new
			print_unit >"$new"
			mv -f "$new" "$file"
			run systemctl daemon-reload
			outcome=changed
		fi
		state=$(systemctl show --property=UnitFileState --property=NeedDaemonReload -- "$unit")
		case $state in
		*NeedDaemonReload=yes*)
			run systemctl daemon-reload
			outcome=changed
			;;
		esac
		case $state in
		*UnitFileState=disabled* | *UnitFileState=*-runtime*)
			run systemctl enable --quiet -- "$unit"
			outcome=changed
			;;
		esac
		finish_step "Registered $unit"
	}

	# The unit, byte for byte.
	print_unit() {
		printf %s '[Unit]
Description=orders application service
After=network.target

[Service]
User=orders
Group=orders
WorkingDirectory=/home/orders/apps/orders/current
ExecStart=/home/orders/apps/orders/current/.pystrano/run uvicorn orders.main:app --host 127.0.0.1 --port 8010
Restart=on-failure

[Install]
WantedBy=multi-user.target
'
	}

	# ---- the run

	# Every way out leads through here.
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
		stage=refusing outcome=ok changed=0 unchanged=0 warnings=0 new='' who=''
		for word in "$@"; do
			case $word in
			nonce=*) nonce=${word#*=} ;;
			who=*) who=${word#*=} ;;
			*)
				printf '%s\n' 'usage: sh setup.sh' >&2
				exit 2
				;;
			esac
		done
		[ -z "$nonce" ] || exec 2>&1
		mark=${nonce:-$(od -An -N16 -tx8 /dev/urandom)}
		event 'start setup -'
		trap finish EXIT
		trap 'exit 129' HUP
		trap 'exit 130' INT
		trap 'exit 141' PIPE
		trap 'exit 143' TERM
		[ "$(id -u)" = 0 ] || die 2 'setup.sh must run as root: sudo sh setup.sh'
		cd / # the user may be there, too
		take_lock
		own_things
		ensure_user
		copy_keys
		make_directories
		install_packages
		limit_sudo
		make_virtualenv
		know_hosts
		register_unit
	}

	exec </dev/null
	main "$@"
	exit
}
