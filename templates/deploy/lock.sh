	# ---- lock: one run at a time; what a killed run left behind is removed

	# take_lock: the kernel releases the lock when this shell dies, however it dies. So a command that may
	# outlive the shell must not inherit descriptor 9.
	take_lock() {
		begin lock
		[ -d "$releases" ] || die 3 "$root is not set up; run setup.sh first"
		mkdir -p "$state"
		(umask 077 && touch "$state/lock" && chmod 600 "$state/lock") # whoever can open it can hold the lock
		exec 9>>"$state/lock"
		flock -n 9 9>&9 || wait_for_lock # mksh passes no descriptor above 2 to commands unless told to
		find_current
		stage=locked
		held="$who $action $release since $(date -u +%Y-%m-%dT%H:%M:%SZ)"
		name_holder
		[ -z "$current" ] || [ -d "$releases/$current" ] || die 3 "$root/current is not a link to one of $releases; move it away"
		watch_controller 0
		clean_up
		import_legacy_log
		report ok "Locked $root"
	}

	# wait_for_lock waits up to $lock_wait seconds for the run that holds the lock.
	wait_for_lock() {
		find_current
		# The holder writes its name just after it took the lock.
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			find_holder
			[ -z "$holder" ] || break
			sleep 0.2
		done
		if [ "$lock_wait" -gt 0 ]; then
			report warning "Waiting up to $lock_wait s for another run, which holds the lock: ${holder:-somebody}"
			watch_controller 0
			waited=0
			while [ "$waited" -lt "$lock_wait" ]; do
				sleep 1
				if flock -n 9 9>&9; then
					unwatch_controller
					return 0
				fi
				waited=$((waited + 1))
			done
			unwatch_controller
			find_holder
		fi
		die 3 "another run holds the lock on $(uname -n): ${holder:-somebody}"
	}

	# name_holder [WHAT] writes to the lock file what this run is doing. A full disk is no error: clean_up
	# has yet to make room.
	name_holder() {
		printf '%s\n' "$held${1:+, $1,} pid $$" 2>/dev/null >"$state/lock" || :
	}

	# find_holder sets $holder to what the lock file says, if the process named there has the file open.
	find_holder() {
		holder=$(cat "$state/lock" 2>/dev/null) || :
		[ -n "$(find -L "/proc/${holder##* }/fd/" -maxdepth 1 -samefile "$state/lock" 2>/dev/null)" ] || holder=''
		case $(cat "/proc/${holder##* }/stat" 2>/dev/null) in
		*') T '*) holder="$holder, which was stopped; let it go on with kill -CONT ${holder##* }, or end it with kill -KILL ${holder##* }" ;;
		esac
	}

	# find_current sets $current to the name of the current release, empty if there is none.
	find_current() {
		current=$(readlink -e "$root/current") || :
		current=${current##*/}
	}

	# clean_up removes what killed runs left. A release has a file "unfinished" until it was promoted and
	# verified. Leftovers that cannot be removed, such as files of another user, do no harm.
	clean_up() {
		[ -z "$current" ] || rm -f "$releases/$current/.pystrano/unfinished"
{%- if payload.is_some() %}
		rm -f "$state/part"
{%- endif %}
		for left in "$releases"/*/.pystrano/unfinished "$releases"/.new-* "$releases"/.trash-*; do
			left=${left%/.pystrano/unfinished}
			case $left in "$releases/*") continue ;; esac
			if [ -e "$left" ]; then
				stop_orphans "$left"
				discard "${left##*/}" || report warning "Could not remove $left"
			fi
		done
	}

	# stop_orphans DIRECTORY: commands of a killed run may live on; they have the directory of their
	# release open as descriptor 8. Build commands are killed, a migration is waited for.
	stop_orphans() {
		warned=''
		while
			orphans=$(find -L /proc/[0-9]*/fd/8 -maxdepth 0 -samefile "$1" 2>/dev/null | cut -d / -f 3)
			[ -n "$orphans" ]
		do
			if [ ! -s "$1/.pystrano/unfinished" ]; then
				for orphan in $orphans; do
					kill -KILL "$orphan" 2>/dev/null || :
				done
			elif [ -z "$warned" ]; then
				report warning "Waiting for the migration of a killed run, process ${orphans%%[!0-9]*}"
				warned=yes
			fi
			sleep 0.2
		done
	}

	# discard RELEASE renames it before removing it, so that a partly removed release is never listed.
	discard() {
		trash=$1
		if [ -d "$releases/$1" ] && [ "${1#.}" = "$1" ]; then
			trash=.trash-$1
			remove "$releases/$trash" || return
			mv -T "$releases/$1" "$releases/$trash" || return
		fi
{%- if server.env_file.is_some() %}
		rm -rf "$shared/.env.$1" # written by earlier versions
{%- endif %}
		remove "$releases/$trash" "$releases/.new-$1"
	}

	# remove PATH...: like rm -rf, read-only directories included.
	remove() {
		rm -rf "$@" 2>/dev/null && return
		chmod -R u+rwx "$@" 2>/dev/null || :
		rm -rf "$@"
	}

	# good_releases prints the releases that may be promoted again, in the order of their promotions.
	# Releases of earlier versions have no number; they come first, sorted by name.
	good_releases() {
		for dir in "$releases"/*/; do
			dir=${dir%/}
			if [ -d "$dir" ] && [ ! -L "$dir" ] && [ ! -e "$dir/.pystrano/unfinished" ]; then
				number=''
				read -r number 2>/dev/null <"$dir/.pystrano/order" || :
				printf '%s %s\n' "${number:-0}" "${dir##*/}"
			fi
		done | LC_ALL=C sort -k 1,1n -k 2 | cut -d ' ' -f 2-
	}
