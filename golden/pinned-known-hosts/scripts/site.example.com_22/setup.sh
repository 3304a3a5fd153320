#!/bin/sh
# setup.sh: makes a server ready for deploy.sh.
#
#   sudo sh setup.sh [--prune]
#
# Run it as root on site.example.com. What a step finds done, it leaves as it is:
#   host         what cannot work here stops the run
#   lock         one setup at a time on a host
#   ownership    what site/production has on the host, recorded for others; what is another's is refused
#   user         the account deploy, and whether it can log in
#   keys         who may log in as root may log in as deploy
#   directories  /home/deploy/site
#   packages     those named in the settings below
#   sudo         deploy loses the unlimited rights that an older tool gave
#   virtualenv   /home/deploy/.venv
#   known-hosts  the keys of the hosts that code comes from
#   leftovers    what an earlier setup of this app brought and the config no longer has
#
# Units and sudo rules among the leftovers are removed, keys, known hosts and secrets named; with
# --prune they are removed, too. What others put there stays.
#
# In a directory that deploy can write, root changes nothing itself: it acts as
# deploy there, so that a link planted in it leads no further than deploy may go.
#
# Exit status: 0 done; 1 a step failed, run it again when that is fixed; 2 refused, nothing was changed.

# The braces make the shell read all of it first: half a file runs nothing.
# Single quotes hold what the programs started here expand; run and traps call functions by name.
# shellcheck disable=SC2016,SC2317
{
	# ---- settings

	user=deploy
	root=/home/deploy/site
	venv=/home/deploy/.venv
	base_packages='python3 python3-venv python3-pip git openssh-client'

	state=/var/lib/pystrano

	# ---- messages: text for a person, or marked events for a controller that passed a nonce

	nonce=''   # marks the controller's events; empty when run by hand
	step=start # the current step
	reason=''  # why it failed, if that is known

	# emit EVENT TEXT prints the event to a controller, or the text to a person.
	emit() {
		if [ -n "$nonce" ]; then
			printf '@%s %s\n' "$nonce" "$1" || :
		elif [ -n "$2" ]; then
			printf '%s\n' "$2" || :
		fi
	}

	event() { emit "$1" ''; }

	# begin STEP names the current step.
	begin() {
		step=$1
		event "step $1"
	}

	# report ok|changed|warning TEXT ends the step; a warning does not.
	report() {
		read_clock
		emit "done $step $1 $2" "$(printf '%-7s %s (%s s)' "$1" "$2" "$((now - step_began))")"
		step_began=$now # when the next step begins
	}

	# read_clock sets $now to seconds of the uptime: the wall clock may be set.
	read_clock() {
		read -r now _ </proc/uptime
		now=${now%.*}
	}

	# die STATUS REASON ends the run.
	die() {
		reason=$2
		exit "$1"
	}

	# ---- running commands

	# isolated COMMAND runs it without descriptors 9, the lock, and 3, the input from the controller: a
	# command may outlive this shell.
	isolated() { "$@" 3<&- 9>&-; }

	mark='' # random, so that no command prints it

	# run COMMAND runs it isolated, with its output passed through relay, followed by $mark and the exit
	# status. So no command has the terminal or the connection to the controller, none fails because
	# nobody reads its output, and background processes are not waited for.
	run() {
		[ -n "$mark" ] || mark=${nonce:-$(od -An -N16 -tx8 /dev/urandom)}
		{
			exec 3<&- 9>&-
			trap : HUP INT TERM # the command may die from them; its status is still reported
			code=0
			"$@" || code=$?
			printf '\n%s %s\n' "$mark" "$code"
		} 2>&1 | relay
	}

	# relay prints lines, for a terminal without escape sequences, control characters and what a carriage
	# return overwrites.
	relay() {
		exec 3<&- 9>&-
		trap '' HUP INT PIPE TERM
		while IFS= read -r line; do
			case $line in
			'') continue ;;
			"$mark "*) exit "${line#"$mark "}" ;;
			*[!\ -~]*) [ -n "$nonce" ] || line=$(printf '%s\n' "$line" | LC_ALL=C sed "$terminal_codes") ;;
			esac
			emit "out $line" "$line" 2>/dev/null
		done
		exit 137 # the command and the shell around it were killed
	}

	terminal_codes='s/\r$//; s/.*\r//; s/\x1b\[[0-?]*[ -/]*[@-~]//g; s/\x1b][^\x07\x1b]*//g
		s/\xc2[\x80-\x9f]//g; s/[\x01-\x08\x0b-\x1f\x7f]//g'

	# finish_step TEXT reports the step, and counts it by its outcome.
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

	# setup.sh records in /var/lib/pystrano/apps/APP/ENVIRONMENT what each app has on the host, one "KIND NAME" a
	# line: user, root (project_root), venv (venv_dir), unit, sudo (file of the rule), secret (file) or
	# deploy-key (name in ~/.ssh).
	app=site/production
	records=/var/lib/pystrano/apps

	# owner_of KIND NAME prints the other app and environment that has it, if any.
	owner_of() {
		grep -rlxF -e "$1 $2" "$records" 2>/dev/null | sed "s|^$records/||" | grep -vxF -e "$app" | head -n 1
	}
	record=$records/$app
	kept=$state/kept/$app # what setups added to the user's .ssh
	output=$state/output  # of commands that run as another user

	# warn TEXT reports a problem; the step goes on.
	warn() {
		report warning "$1"
		warnings=$((warnings + 1))
	}

	# ---- acting as the app user

	# as_user COMMAND runs it as the app user.
	as_user() {
		act_as "$user" "$home" "$@"
	}

	# act_as USER HOME COMMAND runs it in a session without a terminal, for at most fifteen minutes. Its
	# output goes to $output, a file of root: programs of another user get neither root's terminal, nor
	# the connection to the controller, nor the lock, and root reads a bounded part of what they print.
	act_as() {
		[ -n "$variables" ] || variables=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p')
		exec 4<&0
		(isolated become "$@") <&4 >"$output" 2>&1 4<&- &
		worker=$!
		exec 4<&-
		code=0
		wait "$worker" || code=$?
		worker=''
		case $code in
		0 | 10) user_failed='' ;;
		124)
			reason="a command of $1 took more than 15 minutes"
			user_failed=yes
			;;
		*) user_failed=yes ;;
		esac
		(exit "$code") # yash would skip the trap after a return
	}

	variables='' # names in root's environment

	# become USER HOME COMMAND: from root's environment it keeps only the locale, PATH and the settings
	# for package indexes and proxies.
	become() {
		for name in $variables; do
			case $name in
			PATH | TZ | LANG | LC_* | *_proxy | *_PROXY | PIP_* | UV_* | SSL_CERT_* | *_CA_BUNDLE) ;;
			*) unset "$name" ;;
			esac
		done
		export USER="$1" LOGNAME="$1" HOME="$2"
		shift 2
		exec setsid -w timeout -k 5 900 runuser -u "$USER" -- "$@"
	}

	# change COMMAND runs it as the app user. COMMAND exits with 10 if it changed something, with 0 if
	# not.
	change() {
		code=0
		as_user "$@" || code=$?
		case $code in
		0) ;;
		10) outcome=changed ;;
		*) (exit "$code") ;;
		esac
	}

	# user_output prints the last lines of the app user's command as plain text.
	user_output() {
		tail -c 4096 "$output" | tail -n 20 | LC_ALL=C tr -c '\011\012\040-\176' '?'
	}

	# edit_ssh ACTION NAME NEW <LINES edits a file of the app user's .ssh as that user. ACTION is add,
	# remove or find; NEW is the awk program that selects the lines to add.
	edit_ssh() {
		as_user sh -c "$edit_lines" sh "$1" "$home/.ssh" "$2" "$3"
	}

	# Exits with 10 if it changed or found something. The file is replaced atomically; only a regular file
	# of at most 1 MiB is read.
	edit_lines='
		set -eu
		umask 077
		action=$1 file=$2/$3 program=$4 changed=0
		if [ ! -d "$2" ]; then
			[ "$action" = add ] || exit 0
			mkdir "$2"
			changed=10
		fi
		if [ ! -e "$file" ] && [ ! -L "$file" ]; then
			[ "$action" = add ] || exit 0
			: >"$file"
			changed=10
		fi
		if [ ! -f "$file" ]; then
			echo "$file is not a regular file; remove it"
			exit 1
		fi
		if [ "$(wc -c <"$file")" -gt 1048576 ]; then
			echo "$file is larger than 1 MiB"
			exit 1
		fi
		real=$(readlink -f "$file")
		new=$real.new
		rm -f "$new" # left by a killed setup
		if [ "$action" = find ]; then
			grep -aqxF -f - "$real" || exit 0
			exit 10
		fi
		if [ "$action" = remove ]; then
			grep -avxF -f - "$real" >"$new" || [ $? = 1 ]
			mv -f "$new" "$real"
			exit 10
		fi
		fresh=$(awk "$program" have=1 "$real" have=0 -)
		if [ -n "$fresh" ]; then
			{
				cat "$real"
				# The last line may lack its newline.
				[ -z "$(tail -c 1 "$real")" ] || echo
				printf "%s\n" "$fresh"
			} >"$new"
			mv -f "$new" "$real"
			changed=10
		fi
		# The modes that sshd(8) recommends.
		if [ -n "$(find -H "$2" "$file" -prune \( -type d \( ! -perm -700 -o -perm /077 \) -o -type f -name authorized_keys ! -perm 600 \))" ]; then
			chmod 700 "$2"
			chmod 600 "$file"
			changed=10
		fi
		exit "$changed"
	'

	# Prints the lines of the second file whose keys the first file does not have. The options that the
	# first file has before a key, such as from="...", stay in force.
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

	# ensure_owned_dirs DIR... creates the missing ones for the user. The first DIR contains the others.
	ensure_owned_dirs() {
		if ! change sh -c "$make_missing" sh "$@"; then
			reason=$(create_as_root "$1")
			outcome=changed
			change sh -c "$make_missing" sh "$@"
		fi
	}

	make_missing='
		status=0
		for directory; do
			[ -d "$directory" ] && [ -w "$directory" ] && continue
			# Replace an empty directory that root left here.
			rmdir "$directory" 2>/dev/null
			mkdir -p "$directory" 2>/dev/null && [ -w "$directory" ] || exit 1
			status=10
		done
		exit "$status"
	'

	# create_as_root DIR creates it as root where the user may not, and gives it to the user. Prints the
	# reason if it fails.
	create_as_root() (
		walk_as_root "$1"
		if ! is_roots_alone || [ -n "$(find . -prune ! -empty)" ]; then
			case $1 in
			/*/*) printf '%s\n' "$user cannot write $1; name another directory, or if it is for this app alone: chown -R $user: $1" ;;
			*) printf '%s\n' "$user cannot write $1; name a directory below it" ;;
			esac
			exit 1
		fi
		chown "$user:" .
	)

	# walk_as_root DIR changes to it from /, one component at a time, and creates what is missing. The
	# directory it is in cannot be replaced meanwhile, and links are followed only in directories that
	# nobody but root can change. Prints the reason if it fails.
	walk_as_root() {
		cd /
		here=
		IFS=/
		for name in $1; do
			[ -n "$name" ] || continue
			safe=''
			if is_roots_alone; then
				safe=yes
				[ -e "./$name" ] || mkdir "./$name"
			fi
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
		unset IFS
	}

	# is_roots_alone: only root can change the working directory.
	is_roots_alone() {
		[ -n "$(find . -prune -user 0 ! -perm -020 ! -perm -002)" ]
	}

	# ---- what earlier setups added to the user's .ssh

	# keep NAME LINES... replaces that file in $kept atomically; only root can read it.
	keep() {
		name=$1
		shift
		lines_kept=$(printf '%s\n' "$@" | awk 'NF && !seen[$0]++')
		if [ "$(cat "$kept/$name" 2>/dev/null)" != "$lines_kept" ]; then
			new=$state/new
			(umask 077 && mkdir -p "$kept" && printf '%s\n' "$lines_kept" >"$new")
			mv -f "$new" "$kept/$name"
			new=''
		fi
	}

	# change_ssh ACTION NAME NEW LINES runs edit_ssh, and counts a change.
	change_ssh() {
		code=0
		edit_ssh "$1" "$2" "$3" <<EOF || code=$?
$4
EOF
		case $code in
		0) ;;
		10) outcome=changed ;;
		*) die 1 "$(user_output | tail -n 1)" ;;
		esac
	}

	# look_after NAME LINES WHAT reports lines that an earlier setup added and that are no longer wanted,
	# and with --prune removes them. Sets $old to the lines that stay.
	look_after() {
		[ -n "$2" ] || return 0
		code=0
		edit_ssh find "$1" '' <<EOF || code=$?
$2
EOF
		case $code in
		0) old='' ;;
		10)
			if [ -n "$prune" ]; then
				change_ssh remove "$1" '' "$2"
				old=''
			else
				warn "$1 of $user has $3: $(printf '%s\n' "$2" | awk "$name_of_key"); --prune removes them"
			fi
			;;
		*) die 1 "$(user_output | tail -n 1)" ;;
		esac
	}

	# Prints host or comment and the last characters of the key of each line.
	name_of_key='
		{
			for (i = 1; i <= NF && $i !~ /^AAAA/; i++);
			name = i < NF ? $NF : $1
			printf "%s%s (%s)", (NR > 1 ? ", " : ""), name, "..." substr($i, length($i) - 7)
		}
	'

	# ---- steps

	# check_host stops the run, before anything is changed, if something cannot work on this host.
	check_host() {
		begin host
		command -v apt-get >/dev/null || refuse_host 'there is no apt-get: servers run Debian 12 or later, or Ubuntu 22.04 or later'
		check_mount "$root" project_root
		check_mount "$venv" venv_dir
	}

	# check_mount PATH FIELD: programs can be executed there.
	check_mount() {
		place=$1
		while [ ! -e "$place" ]; do
			place=${place%/*}
			place=${place:-/}
		done
		case ,$(findmnt --noheadings --output OPTIONS --target "$place" 2>/dev/null), in
		*,noexec,*) refuse_host "$1 is on a file system that is mounted noexec ($place), where no program starts; name another $2, or mount it with exec" ;;
		esac
	}

	# refuse_host REASON prints the system as well, to be pasted into a bug report.
	refuse_host() {
		report_system "$venv"
		die 2 "$1"
	}

	# report_system VENV prints the system, for a bug report.
	report_system() {
		fact system "os $(sed -n 's/^PRETTY_NAME="\(.*\)"$/\1/p' /etc/os-release), $(uname -srm)"
		for program in systemctl sudo python3 git curl; do
			version=$(isolated "$program" --version 2>&1) || version='missing'
			fact system "$program $(printf '%s\n' "$version" | sed -n 1p)"
		done
		fact system "project $(mount_of "$root")"
		fact system "virtualenv $(mount_of "$1")"
		fact system "space $(df --human-readable --output=avail,pcent "$root" 2>&1 | sed -n 2p)"
	}

	mount_of() {
		findmnt --noheadings --output TARGET,FSTYPE,OPTIONS --target "$1" 2>&1 | tr -s ' '
	}

	# fact NAME VALUE prints a line of it.
	fact() { run printf '%s\n' "$2"; }

	# take_lock: one setup at a time on this host. The kernel releases the lock when this shell dies, so a
	# command that may outlive the shell must not inherit descriptor 9.
	take_lock() {
		begin lock
		mkdir -p "$records"
		(umask 077 && touch "$state/lock" && chmod 600 "$state/lock") # whoever can open it can hold the lock
		exec 9>>"$state/lock"
		if ! flock -n 9 9>&9; then # mksh passes no descriptor above 2 to commands unless told to
			die 2 "another setup is at work on $(uname -n): $(head -c 200 "$state/lock")"
		fi
		rm -rf "$state/new" "$state/unit" # left by a killed setup
		(umask 077 && : >"$output")
		printf '%s\n' "$app for ${who:-${SUDO_USER:-root}}, since $(date -u +%Y-%m-%dT%H:%M:%SZ), process $$" >"$state/lock"
	}

	# print_claims prints what this app and environment has on the host, in the format of its record.
	print_claims() {
		printf '%s\n' \
			"user $user" \
			"root $root" \
			"venv $venv"
	}

	# own_things: nothing is changed before it is certain that it belongs to no other app, and nothing is
	# created before the record says whose it is.
	own_things() {
		begin ownership
		mine=$(cat "$record" 2>/dev/null) || :
		others=$(find "$records" -type f ! -path "$record" -exec cat {} +)
		check_identity
		check_path root "$root" project_root
		check_path venv "$venv" venv_dir
		check_project_root
		check_virtualenv
		stage=working
		known=$(grep -v -e '^#' -e '^user ' -e '^root ' -e '^venv ' "$record" 2>/dev/null) || :
		write_record "$(
			print_claims
			printf '%s\n' "$known"
		)"
		finish_step "Recorded what $app has on this host"
	}

	# recorded KIND VALUE: an earlier setup of this app created or adopted it.
	recorded() { has_line "$mine" "$1 $2"; }

	# has_line TEXT LINE
	has_line() {
		case $line_break$1$line_break in
		*"$line_break$2$line_break"*) return 0 ;;
		esac
		return 1
	}

	line_break='
'

	# write_record LINES replaces the record atomically, without duplicate lines.
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

	# check_identity: a different project may have the same app name.
	check_identity() {
		before=$(sed -n 's/^root //p' "$record" 2>/dev/null) || :
		if [ -n "$before" ] && [ "$before" != "$root" ] && [ -e "$before/releases" ]; then
			die 2 "$app is in $before on this host, not in $root; if it is another project, rename one of them; if it moves, remove $record"
		fi
	}

	# is_in PATH DIRECTORY...: PATH is in one of them, as written or with links resolved.
	is_in() (
		! is_below "$@" || exit 0
		IFS=$line_break
		# shellcheck disable=SC2046 # a name on each line
		is_below $(realpath -m -- "$@")
	)

	# is_below PATH DIRECTORY...: PATH is in one of them, as written.
	is_below() {
		path=$1/
		shift
		for directory; do
			case $path in
			"$directory"/*) return 0 ;;
			esac
		done
		return 1
	}

	# is_cleared_by PATH KIND OTHER: deploys of OTHER, a root or venv, clean up or replace PATH.
	is_cleared_by() {
		case $2 in
		root) is_in "$1" "$3/releases" "$3/venvs" "$3/shared" "$3/.pystrano" ;;
		*) is_in "$1" "$3" ;;
		esac
	}

	# check_path KIND PATH FIELD: no other app has PATH or cleans it up, and it contains nothing of
	# another app that this app would clean up.
	check_path() {
		while read -r kind other; do
			case $kind in
			root | venv) ;;
			*) continue ;;
			esac
			if [ "$other" = "$2" ] || [ -n "$(find -L "$other" -maxdepth 0 -samefile "$2" 2>/dev/null)" ]; then
				relation="$2 belongs to"
			elif is_cleared_by "$2" "$kind" "$other"; then
				relation="$2 is in $other, which belongs to"
			elif is_cleared_by "$other" "$1" "$2"; then
				relation="$2 has $other in it, which belongs to"
			else
				continue
			fi
			die 2 "$relation $(owner_of "$kind" "$other") on this host; give $app a $3 of its own"
		done <<EOF
$others
EOF
	}

	# check_project_root: the directory does not belong to another deploy tool.
	check_project_root() {
		if ! recorded root "$root"; then
			for name in .dep repo/HEAD scm/HEAD; do
				[ ! -e "$root/$name" ] ||
					die 2 "$root belongs to another deploy tool, which made $root/$name; name another project_root, or move that away"
			done
		fi
	}

	# check_virtualenv: the path is free, a virtualenv, or a link that pystrano made.
	check_virtualenv() {
		link=$(readlink "$venv") || link=''
		case $link in
		"$root/current/.pystrano/venv") ;;
		*/current/.pystrano/venv) die 2 "$venv belongs to another project, it leads to $(printf %s "$link" | LC_ALL=C tr -c '\040-\176' '?'); name another venv_dir" ;;
		esac
		if ! recorded venv "$venv" && [ ! -e "$venv/pyvenv.cfg" ] && [ -n "$(find "$venv" -prune -type d ! -empty 2>/dev/null)" ]; then
			die 2 "$venv is not a virtualenv, and not empty; name another venv_dir, or move it away"
		fi
	}

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

	copy_keys() {
		begin keys
		# With sudo, the caller's keys are the ones that give access to this host.
		giver=${SUDO_USER:-root}
		source=$(home_of "$giver")/.ssh/authorized_keys
		lines=''
		if [ -e "$source" ]; then
			[ -f "$source" ] || die 1 "$source is not a regular file"
			[ "$(wc -c <"$source")" -le 1048576 ] || die 1 "$source is larger than 1 MiB"
			lines=$(awk "$new_keys" have=0 "$source")
		fi
		before=$(cat "$kept/keys-of-$giver" 2>/dev/null) || :
		old=$(printf '%s\n' "$lines" '#before' "$before" | awk -v have=1 "/^#before/ { have = 0 } $new_keys")
		keep "keys-of-$giver" "$lines" "$before"
		change_ssh add authorized_keys "$new_keys" "$lines"
		look_after authorized_keys "$old" "keys that $source no longer has"
		keep "keys-of-$giver" "$lines" "$old"
		if [ -s "$home/.ssh/authorized_keys" ]; then
			finish_step 'Copied SSH authorized_keys'
		else
			outcome=warning
			finish_step "Found no authorized_keys to copy; nobody can log in as $user yet"
		fi
	}

	make_directories() {
		begin directories
		ensure_owned_dirs "$root" "$root/releases" "$root/shared" "$root/shared/media" "$root/.pystrano"
		text='Prepared remote directory structure'
		check_web_server
		finish_step "$text"
	}

	# check_web_server: a web server that serves static files and media itself must be able to read them.
	check_web_server() {
		server=$(getent passwd www-data nginx caddy | sed -n '$s/:.*//p')
		[ -n "$server" ] || return 0
		if ! act_as "$server" / sh -c "$find_closed" sh "$root/shared/media"; then
			closed=$(user_output)
			text="$text; static files and media cannot be read by $server, as a web server: chmod o+x $closed would allow it"
			for name in nginx apache2 caddy; do
				! command -v "$name" >/dev/null || outcome=warning
			done
		fi
	}

	# Prints the first directory of the path that this user cannot enter.
	find_closed='
		set -f
		way=""
		IFS=/
		for name in ${1#/}; do
			way=$way/$name
			if [ ! -x "$way" ]; then
				printf "%s\n" "$way"
				exit 1
			fi
		done
	'

	install_packages() {
		begin packages
		updated=''
		install_missing --no-install-recommends "$base_packages"
		finish_step 'Installed system packages'
	}

	# install_missing OPTION PACKAGES installs those that are missing.
	install_missing() {
		missing=$(missing "$2")
		if [ -n "$missing" ]; then
			set -- "$1" --
			for package in $missing; do
				set -- "$@" "$package"
			done
			[ -n "$updated" ] || apt update
			updated=yes
			# Configuration questions get their defaults, changed files in /etc are kept, and needrestart restarts
			# nothing.
			apt install -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
			outcome=changed
		fi
	}

	# missing PACKAGES prints those that are not installed.
	missing() {
		dpkg-query -W -f '${db:Status-Status} ${Package} ${Package}:${Architecture} ${Package}=${Version} ${Package}:${Architecture}=${Version} ${Provides}\n' |
			awk -v wanted="$1" "$not_installed"
	}

	# Prints the wanted packages that are neither installed nor provided by an installed one.
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

	# missing_here prints all packages that are missing.
	missing_here() {
		missing "$base_packages"
	}

	# lacking prints the command that installs them.
	lacking() {
		printf 'what this host lacks: apt-get install %s' "$(missing_here | paste -s -d ' ' -)"
	}

	# apt COMMAND waits up to ten minutes for the locks of apt. Its output is kept until it ends: a write
	# to a lost connection would kill it halfway.
	apt() {
		read_clock
		deadline=$((now + 600))
		until message=$(isolated env LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
			apt-get -q -o DPkg::Lock::Timeout=60 "$@" 2>&1); do
			case $message in
			*'Could not get lock'*)
				read_clock
				if [ "$now" -lt "$deadline" ]; then
					sleep 3
					continue
				fi
				;;
			esac
			run printf '%s\n' "$message"
			die 1 "apt-get $1 failed; $(lacking)"
		done
	}

	limit_sudo() {
		begin sudo
		text="Left $user without unlimited sudo"
		old_rule=/etc/sudoers.d/$user
		if [ "$(cat "$old_rule" 2>/dev/null)" = "$user ALL=(ALL) NOPASSWD:ALL" ]; then
			rm "$old_rule"
			outcome=changed
		elif [ -s "$old_rule" ]; then
			text="$text, but $old_rule may give it more"
			outcome=warning
		fi
		finish_step "$text"
	}

	make_virtualenv() {
		begin virtualenv
		provide "$venv"
		finish_step "Provisioned virtualenv at $venv"
	}

	# provide DIR makes a virtualenv there, unless it has one whose python runs and finds pip.
	provide() {
		if [ -e "$1/pyvenv.cfg" ] && [ ! -f "$1/pyvenv.cfg" ]; then
			die 1 "$1/pyvenv.cfg is not a regular file; remove it"
		fi
		if ! as_user "$1/bin/python" -I -S -c "$find_pip" "$1"; then
			ensure_owned_dirs "$1"
			as_user python3 -m venv "$1"
			outcome=changed
		fi
	}

	find_pip='import sys; open("%s/lib/python%d.%d/site-packages/pip/__init__.py" % (sys.argv[1], *sys.version_info[:2]))'

	know_hosts() {
		begin known-hosts
		hosts='' scanned=''
		pinned='git.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl'
		pin 'git.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl'
		scan backup.example.com 22
		before=$(cat "$kept/known_hosts" 2>/dev/null) || :
		old=$(earlier_hosts 0)
		still=$(earlier_hosts 1)
		keep known_hosts "$hosts" "$before"
		change_ssh add known_hosts "$new_hosts" "$hosts"
		look_after known_hosts "$old" 'hosts that the config no longer names'
		keep known_hosts "$hosts" "$still" "$old"
		finish_step 'Updated known hosts'
	}

	# earlier_hosts 0|1 prints the lines that an earlier setup brought and the config no longer asks
	# for, or still does.
	earlier_hosts() {
		printf '%s\n' "$hosts" "$scanned" '#before' "$before" | awk -v still="$1" '
			/^#before/ { before = 1; next }
			!before { wanted[$0]; next }
			NF && (($0 in wanted) || ($1 in wanted)) == still
		'
	}

	new_hosts='
		NF == 0 { next }
		have { seen[$0] }
		!($0 in seen) { seen[$0]; print }
	'

	# find_known HOST sets $known to the lines of known_hosts that match it.
	find_known() {
		as_user sh -c '
			if [ -f "$2" ] && [ "$(wc -c <"$2")" -le 1048576 ]; then
				ssh-keygen -F "$1" -f "$2" || :
			fi
		' sh "$1" "$home/.ssh/known_hosts"
		known=$(head -c 65536 "$output" | grep -v -e '^#' -e '^@') || known=''
	}

	# compare_keys HOST LINES warns when known_hosts has a different key of the same type for it.
	compare_keys() {
		kinds=$(printf '%s\n' "$2" '#known' "$known" | awk '
			/^#known/ { known = 1; next }
			!known { kinds[$2]; keys[$3]; next }
			$2 in kinds && !($3 in keys) { print $2 }
		' | sort -u | tr '\n' ' ')
		if [ -n "$kinds" ]; then
			warn "known_hosts of $user has another key of $1 (${kinds% }); if that is out of date: sudo -u $user ssh-keygen -R '$1', then setup again"
		fi
	}

	# scan HOST PORT fetches the keys of the host, unless some are known.
	scan() {
		case $2 in
		22) host=$1 ;;
		*) host="[$1]:$2" ;;
		esac
		scanned="$scanned$host
"
		find_known "$host"
		as_user ssh-keyscan -T 15 -p "$2" -- "$1" || :
		found=$(head -c 65536 "$output" | tr -d '\r\000' | HOST="$host " awk 'index($0, ENVIRON["HOST"]) == 1')
		if [ -n "$known" ]; then
			compare_keys "$host" "$found"
		elif [ -n "$found" ]; then
			hosts="$hosts$found
"
		else
			die 1 "ssh-keyscan got no key from $1, port $2"
		fi
	}

	# pin LINE adds it as it is.
	pin() {
		hosts="$hosts$1
"
		host=${1%%[ ,]*}
		case $host in
		@* | \|* | *[*?]*) ;; # a pattern, or hashed
		*)
			find_known "$host"
			compare_keys "$host" "$(printf '%s\n' "$pinned" | HOST=$host awk 'index("," $1 ",", "," ENVIRON["HOST"] ",")')"
			;;
		esac
	}

	# clear_leftovers removes what the record has and the config does not: units and sudo rules always,
	# files with content only with --prune.
	clear_leftovers() {
		begin leftovers
		left='' removed=''
		old=$(print_claims | grep -vxF -f - "$record" | grep -v '^#') || :
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

	# ---- the run

	main() {
		set -euf
		unset CDPATH
		umask 022
		export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
		stage=refusing outcome=ok changed=0 unchanged=0 warnings=0 new='' who='' prune='' worker='' user_failed=''
		for word in "$@"; do
			case $word in
			nonce=*) nonce=${word#*=} ;;
			who=*) who=${word#*=} ;;
			--prune) prune=yes ;;
			*)
				printf '%s\n' 'usage: sh setup.sh [--prune]' >&2
				exit 2
				;;
			esac
		done
		start_run setup -
		[ "$(id -u)" = 0 ] || die 2 'setup.sh must run as root: sudo sh setup.sh'
		cd / # the caller's directory may be writable by the user
		check_host
		take_lock
		own_things
		ensure_user
		copy_keys
		make_directories
		install_packages
		limit_sudo
		make_virtualenv
		know_hosts
		clear_leftovers
	}

	# start_run ACTION RELEASE: from here on every exit goes through finish.
	start_run() {
		[ -z "$nonce" ] || exec 2>&1
		event "start $1 $2"
		read_clock
		step_began=$now
		trap finish EXIT
		trap 'exit 129' HUP
		trap 'exit 130' INT
		trap 'exit 141' PIPE
		trap 'exit 143' TERM
	}

	finish() {
		status=$?
		set +e
		trap - EXIT
		trap '' HUP INT PIPE TERM
		end_run "$status"
	}

	# failed STATUS reports the step that failed, and the reason if it is known.
	failed() {
		emit "fail $step $1 $reason" "$(printf '%-7s %s' failed "$step, exit status $1${reason:+: $reason}")" >&2
	}

	# conclude STATUS OUTCOME TEXT prints the last line and exits.
	conclude() {
		trap - EXIT
		emit "end $1 $2" "$3"
		exit "$1"
	}

	# end_run STATUS is the last thing that every run does.
	end_run() {
		if [ -n "$worker" ]; then
			kill "$worker" 2>/dev/null
			wait "$worker"
		fi
		[ -z "$new" ] || rm -f "$new"
		if [ "$1" = 0 ]; then
			event "fact changed $changed"
			text="setup: $changed changed, $unchanged ok"
			[ "$warnings" = 0 ] || text="$text, $warnings to look at"
			conclude 0 'done' "$text"
		fi
		[ -z "$user_failed" ] || run user_output
		failed "$1"
		[ "$stage" != refusing ] || conclude 2 refused ''
		conclude 1 failed ''
	}

	exec </dev/null
	main "$@"
	exit
}
