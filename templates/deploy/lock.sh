	# ---- the lock, and what a killed run left behind

	# The kernel frees the lock when this shell dies, however it dies; so no command that
	# may outlive the shell keeps descriptor 9.
	take_lock() {
		begin lock
		[ -d "$releases" ] || die 3 "$root is not set up; run setup.sh first"
		mkdir -p "$state"
		touch "$state/lock"
		exec 9>>"$state/lock"
		if ! flock -n 9 9>&9; then # some shells keep descriptors to themselves
			find_current
			# The holder writes its name just after it has the lock.
			for _ in 1 2 3 4 5 6 7 8 9 10; do
				! find_holder || break
				sleep 0.2
			done
			die 3 "another run holds the lock on $(uname -n): ${holder:-somebody}"
		fi
		find_current
		stage=locked
		# On a full disk it goes without a name: what recover removes makes room.
		printf '%s\n' "$who $action $release since $(utc_now) pid $$" 2>/dev/null >"$state/lock" || :
		[ -z "$current" ] || [ -d "$releases/$current" ] || die 3 "$root/current leads out of $releases; move it away"
		recover
		report ok "Locked $root"
	}

	# find_current sets $current to the name of the release that runs, or to nothing.
	find_current() {
		current=''
		[ ! -L "$root/current" ] || [ ! -d "$root/current/" ] || current=$(readlink "$root/current")
		current=${current%/}
		current=${current##*/}
	}

	# A release keeps its "unfinished" mark until it was promoted and verified. What cannot be
	# removed, such as files of another user, is in nobody's way.
	recover() {
		[ -z "$current" ] || rm -f "$releases/$current/.pystrano/unfinished"
		for left in "$releases"/*/.pystrano/unfinished; do
			left=${left%/.pystrano/unfinished}
			[ -e "$left/.pystrano/unfinished" ] || continue
			end_work "$left"
			discard "${left##*/}" || report warning "Could not remove $left"
		done
		for left in "$releases"/.new-* "$releases"/.trash-*; do
			[ -e "$left" ] || continue
			end_work "$left"
			name=${left##*/.new-}
			name=${name##*/.trash-}
			[ -d "$releases/$name" ] || rm -f "$shared/.env.$name"
			rm -rf "$left" || report warning "Could not remove $left"
		done
	}

	# end_work DIRECTORY: the commands of a killed run may live on, with the directory of its release
	# open as descriptor 8. Builders are ended, a migration is waited for.
	end_work() {
		warned=''
		while
			workers=$(find -L /proc/[0-9]*/fd/8 -maxdepth 0 -samefile "$1" 2>/dev/null | cut -d / -f 3)
			[ -n "$workers" ]
		do
			if [ ! -s "$1/.pystrano/unfinished" ]; then
				for worker in $workers; do
					kill -KILL "$worker" 2>/dev/null || :
				done
			elif [ -z "$warned" ]; then
				report warning "Waiting for the migration of a killed run, process ${workers%%[!0-9]*}"
				warned=yes
			fi
			sleep 0.2
		done
	}

	# discard RELEASE: with its env. It is renamed first: half a release is never listed.
	discard() {
		if [ -d "$releases/$1" ]; then
			rm -rf "$releases/.trash-$1" &&
				mv -T "$releases/$1" "$releases/.trash-$1"
		fi &&
			rm -f "$shared/.env.$1" &&
			rm -rf "$releases/.trash-$1" "$releases/.new-$1"
	}

	# good_releases prints those that may be promoted again, oldest first.
	good_releases() {
		for dir in "$releases"/*/; do
			dir=${dir%/}
			[ ! -d "$dir" ] || [ -L "$dir" ] || [ -e "$dir/.pystrano/unfinished" ] || printf '%s\n' "${dir##*/}"
		done | LC_ALL=C sort
	}
