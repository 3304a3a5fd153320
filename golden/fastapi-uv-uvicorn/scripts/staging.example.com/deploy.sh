#!/bin/sh
# deploy.sh: releases of one app on one server.
#
#   sh deploy.sh [deploy] [RELEASE]    build a release, promote it, verify it
#   sh deploy.sh rollback [RELEASE]    promote an earlier release again
#   sh deploy.sh restart               restart what runs here, and verify it
#   sh deploy.sh status                show what runs here
#
# Run it as orders on staging.example.com. RELEASE defaults to the time, in UTC. With lock-wait=SECONDS
# it waits that long for another run, which holds the lock.
# A deploy takes these steps, each a function below. Until promote the app goes on as it was.
#   lock          one run at a time; what a killed run left behind is removed
#   release       whatever would stop the release later stops it now
#   clone         'https://git.example.com/shop/orders.git'
#   env           the env file, and the launcher, which starts commands and the app with it
#   media         a link to /home/orders/apps/orders/shared/media
#   dependencies  into a virtualenv of the release
#   migrate       the database; a migration that has begun is never cut short
#   promote       one rename switches current to the release; if a later step fails, it is switched back
#   restart       'orders.service orders-worker.service'
#   verify        'http://127.0.0.1:8010/health' answers
#   prune         all but 3 releases
#
# Exit status: 0 done; 1 it failed after promotion and the old release is back;
# 2 refused; 3 stopped before promotion, the host is as it was; 5 the old release
# could not be brought back either.

# The braces make the shell read all of it first: half a file runs nothing.
# Single quotes hold values and what other programs expand; run and traps call functions by name.
# Subshells set variables for themselves alone.
# shellcheck disable=SC2016,SC2030,SC2031,SC2317
{
	# ---- settings

	app=orders/staging
	user=orders
	root=/home/orders/apps/orders
	source_code_url='https://git.example.com/shop/orders.git'
	branch=staging
	dependency_file=uv.lock
	venv_dir=/home/orders/.venv-orders # a link through current
	services='orders.service orders-worker.service'
	health_check_url='http://127.0.0.1:8010/health'
	health_check_timeout=20 # seconds
	keep_releases=3

	releases=$root/releases
	shared=$root/shared
	state=$root/.pystrano

	# ---- commands

	deploy() {
		take_lock
		check_host
		stage=building
		get_code
		put_env
		link_media
		install_dependencies
		drop_agent
		need_program uvicorn
		need_program arq
		link_venv
		await_order ready migrate
		migrate
		await_order migrated go
		event "fact release $release"
		promote deployed
		rm -f "$releases/$release/.pystrano/unfinished" || report warning "Could not mark $release as finished"
		prune
		conclude 0 deployed "Deployed $release ($commit)"
	}

	rollback() {
		take_lock
		begin release
		[ -n "$release" ] || find_previous
		[ "$release" != "$current" ] || die 3 "$release is current already"
		good_releases | grep -qxF -e "$release" || die 3 "there is no release $release to go back to; there are: $(good_releases | tr '\n' ' ')"
		check_promotion
		commit=$(commit_of "$release")
		link_env
		need_launcher "$release"
		[ -z "$current" ] || need_launcher "$current"
		report ok "Found release $release"
		event "fact release $release"
		await_order ready go
		promote rolled-back
		conclude 0 rolled-back "Rolled back to $release ($commit)"
	}

	# restart_alone restarts and verifies the current release. There is nothing to revert to.
	restart_alone() {
		take_lock
		begin release
		[ -n "$current" ] || die 3 'there is no release to restart; deploy first'
		release=$current
		check_promotion
		commit=$(commit_of "$release")
		report ok "Found release $release"
		event "fact release $release"
		event "fact commit $commit"
		unwatch_controller
		# Once begun, the restart is finished and logged.
		trap '' HUP INT PIPE TERM
		if restart && verify; then
			log restarted
			conclude 0 restarted "Restarted $release ($commit)"
		else
			failed_with_log "$?"
			log restart-failed
			conclude 1 failed "$unit does not run as it should; look at this host now"
		fi
	}

	# find_previous sets $release to the release that ran before $current. Earlier tools did not record
	# it; their releases are named by time, so it is the previous name.
	find_previous() {
		if [ -e "$releases/$current/.pystrano/previous" ]; then
			release=$(cat "$releases/$current/.pystrano/previous")
		else
			release=$(good_releases | LC_ALL=C sort | sed "/^$current\$/,\$d" | tail -n 1)
		fi
		[ -n "$release" ] || die 3 'there is no earlier release to go back to'
	}

	# commit_of RELEASE prints its commit, or - if it is unknown.
	commit_of() {
		cat "$releases/$1/.pystrano/commit" 2>/dev/null ||
			git -C "$releases/$1" rev-parse HEAD 2>/dev/null || printf '%s\n' -
	}

	status() {
		stage=looking
		# Look at the lock first: if it is free, what is read after it is final.
		find_holder
		find_current
		history=$(cat "$state/revisions.log" 2>/dev/null || read_shared revisions.log) || :
		promotion=$(printf '%s\n' "$history" | awk -v current="$current" '$2 == current && $5 ~ /^(deployed|rolled-back)$/ { promotion = $1 " " $4 } END { print promotion }')
		since=${promotion% *}
		by=${promotion#* }
		fact current "${current:--}"
		fact commit "$(commit_of "${current:--}")"
		fact since "${since:--}"
		fact by "${by:--}"
		fact_unit orders.service
		fact_unit orders-worker.service
		fact_unit orders.socket
		fact_unit orders-report.timer
		for name in $(good_releases); do
			[ "$name" = "$current" ] || fact release "$name"
		done
		for name in "$releases"/*/.pystrano/unfinished; do
			name=${name%/.pystrano/unfinished}
			name=${name##*/}
			[ "$name" = '*' ] || [ "$name" = "$current" ] || fact unfinished "$name"
		done
		[ -z "$holder" ] || fact lock "$holder"
		[ -z "$history" ] || fact last "$(printf '%s\n' "$history" | tail -n 1)"
		[ -z "$nonce" ] || printf '%s\n' "$history" | tail -n 20 | while read -r line; do event "fact run $line"; done
		[ -z "$facts" ] || report_system "$venv_dir"
		conclude 0 'done' ''
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

	# fact NAME VALUE prints a line of the result.
	fact() { emit "fact $1 $2" "$(printf '%-9s %s' "$1" "$2")"; }

	# fact_unit UNIT prints its state, and since when if it is not active.
	fact_unit() {
		active=$(systemctl is-active "$1") || active="$active since $(systemctl show --value --property=StateChangeTimestamp --timestamp=utc "$1")"
		fact unit "$1 $active"
	}

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
		rm -rf "$shared/.env.$1" # written by earlier versions
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

	# ---- release: whatever would stop it later stops it now

	check_host() {
		begin release
		if [ -z "$release" ]; then
			while
				release=$(date -u +%Y%m%d%H%M%S)
				[ -e "$releases/$release" ]
			do sleep 1; done
		fi
		[ ! -e "$releases/$release" ] || die 3 "release $release exists already"
		check_venv_dir
		check_promotion
		compare_unit orders.service ddab86284f37165d8ef02d0bfd6b1a05570d2b91703117dad70d75f0b3a86486
		compare_unit orders.socket 441c1ac2767ead3cb5540f543297c3e1a241c778ec3736498f1ead240b388404
		compare_unit orders-worker.service cf7cb1e6153bb6c3e51132517dae66985a7cfcf2a780069da56fa5c3c5957da3
		compare_unit orders-report.service f9bc43d206b3c33aaad7dad6a283581d88fd5a3c173d1c65bde036dd99a9f294
		compare_unit orders-report.timer d6dbfcd909081545c3ca74cf199eaa2c54c1e22a800b9a989cc9f4c5d1498821
		report ok "Prepared release $release"
	}

	# compare_unit NAME SHA256 warns when the unit on the host is not what setup.sh would install.
	compare_unit() {
		sum=$(sha256sum 2>/dev/null <"/etc/systemd/system/$1") || return 0
		[ "${sum%% *}" = "$2" ] || report warning "$1 on this host differs from service_file; run pystrano setup"
	}

	# check_promotion: the checks that deploy and rollback share. Refuses a path that setup.sh recorded
	# for another app of this host.
	check_promotion() {
		records=/var/lib/pystrano/apps
		taken=$(grep -rxF -e 'root /home/orders/apps/orders' -e 'venv /home/orders/.venv-orders' -e 'unit orders.service' -e 'unit orders.socket' -e 'unit orders-worker.service' -e 'unit orders-report.service' -e 'unit orders-report.timer' "$records" 2>/dev/null | grep -vF -e "$records/$app:" | head -n 1)
		if [ -n "$taken" ]; then
			taken=${taken#"$records/"}
			die 3 "${taken#*:* } belongs to ${taken%%:*} on this host; give $app one of its own, then run setup.sh"
		fi
		command -v curl >/dev/null || die 3 'curl is missing, and health_check_url needs it; run setup.sh first'
		check_services
	}

	# ---- clone

	get_code() {
		begin clone
		new=$releases/.new-$release
		mkdir "$new"
		exec 8<"$new" # stop_orphans finds the commands of this run by it
		clone || stop_clone "$?"
		find_commit
		event "fact commit $commit"
		check_out
		[ ! -e "$new/.pystrano" ] || report warning '.pystrano of the repository is replaced by that of the release; rename it'
		rm -rf "$new/.pystrano"
		mkdir "$new/.pystrano"
		: >"$new/.pystrano/unfinished"
		printf '%s\n' "$commit" >"$new/.pystrano/commit"
		printf '%s\n' "$current" >"$new/.pystrano/previous"
		mv "$new" "$releases/$release"
		report changed "Pulled $pulled at $(printf %.12s "$commit")"
	}

	# repository_git COMMAND: git with the credentials for the repository, which no other command gets,
	# and without user settings that would change the files of a release. A file in Git LFS that cannot be
	# fetched is an error.
	repository_git() (
		unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_LFS_SKIP_SMUDGE
		# Copying the sample hooks of git's template would take longer than cloning a small app.
		export LC_ALL=C GIT_TEMPLATE_DIR=''
		isolated git -c core.autocrlf=false -c core.eol=lf -c core.hooksPath=/dev/null -c core.attributesFile=/dev/null -c clone.defaultRemoteName=origin \
			-c filter.lfs.process='git-lfs filter-process' -c filter.lfs.required=true "$@"
	)

	# clone fetches the commit without checking it out; $output is what git printed.
	clone() {
		output=$(repository_git clone --quiet --no-checkout --single-branch --depth 1 --branch "$branch" -- "$source_code_url" "$new" 2>&1)
	}

	# find_commit sets $commit, and $pulled to a description of its ref.
	find_commit() {
		if ! commit=$(repository_git -C "$new" rev-parse --verify --quiet HEAD); then
			[ -z "$output" ] || run printf '%s\n' "$output"
			branches=$(repository_git ls-remote --heads -- "$source_code_url" | sed 's:.*refs/heads/::' | tr '\n' ' ')
			[ -n "$branches" ] || die 3 'the repository is empty; push the app to it first'
			die 3 "the repository's HEAD names a branch that is not there; set branch to one of: $branches"
		fi
		pulled="branch $branch"
	}

	# check_out writes the files of $commit.
	check_out() {
		output=$(repository_git -C "$new" reset --quiet --hard "$commit" 2>&1) || stop_clone "$?"
		[ ! -e "$new/.gitmodules" ] || get_submodules
		project=$new
		if isolated grep -qsE 'setuptools[_-]scm|hatch-vcs|versioneer|versioningit|dynamic-versioning|setuptools-git-versioning|pbr' "$project/pyproject.toml" "$project/setup.py" "$project/setup.cfg"; then
			report warning "The version of the project is taken from git's tags, which a clone of this depth may lack; set clone_depth: 0"
		fi
	}

	get_submodules() {
		output=$(repository_git -C "$new" submodule --quiet update --init --recursive --depth 1 2>&1) && return
		# Not every server lets a client fetch a commit that is not the head of a branch.
		repository_git -C "$new" submodule --quiet deinit --force --all 2>/dev/null || :
		rm -rf "$new/.git/modules"
		output=$(repository_git -C "$new" submodule --quiet update --init --recursive 2>&1) || stop_clone "$?" 'a submodule could not be cloned; submodules: false leaves them out'
	}

	# stop_clone STATUS [REASON] stops the run with the output of git and the likely fix.
	stop_clone() {
		[ -z "$output" ] || run printf '%s\n' "$output"
		reason=${2:-}
		case $output in
		*'Host key verification failed'*) reason='the ssh server of the repository is not known here, or has another key now; name it in ssh_known_hosts and run setup.sh' ;;
		*'Permission denied (publickey'*) reason='the ssh server of the repository accepts none of the keys that git has here; set deploy_key or forward_agent' ;;
		*'could not read Username'* | *'could not read Password'* | *'Authentication failed'*) reason='the repository requires credentials and accepts none that git has here; correct source_code_url' ;;
		*'Remote branch '*' not found'* | *"couldn't find remote ref"*) reason='the repository has no such branch or tag; correct branch or revision' ;;
		*'git-lfs: '*'not found'* | *'filter lfs failed'*)
			stored=$(repository_git -C "$new" grep -l -e '^version https://git-lfs.github.com/spec/' "$commit" | sed 's/^[^:]*://' | tr '\n' ' ')
			reason="git-lfs is missing, and the repository keeps files there: $stored; set system_packages: [git-lfs] and run setup.sh"
			! command -v git-lfs >/dev/null || reason="Git LFS could not fetch what the repository keeps there: $stored"
			;;
		esac
		exit "$1"
	}

	put_env() {
		begin env
		write_env "$releases/$release/.pystrano"
		link_env
		[ -z "$current" ] || need_launcher "$current"
		report changed 'Copied the env file'
	}

	# write_env DIRECTORY writes the env file and the launcher, which starts commands and the app.
	write_env() (
		umask 077
		base64 -d >"$1/env" <<\EOF
REFUQUJBU0VfVVJMPXBvc3RncmVzcWwrcHN5Y29wZzovL29yZGVyczp0cjB1YjRkb3JAbG9jYWxo
b3N0L29yZGVycwpMT0dfTEVWRUw9aW5mbwo=
EOF
		cat >"$1/run" <<\EOF
#!/bin/sh
# run COMMAND...: becomes COMMAND, in the directory of this release, with its env and virtualenv.
set -e
if [ "$#" -eq 0 ]; then
	printf '%s\n' 'usage: run COMMAND...' >&2
	exit 2
fi
# By its own path rather than through current, so that all that follows is of one release.
[ "$(readlink -f -- "$0")" = "$0" ] || exec "$(readlink -f -- "$0")" "$@"
cd -- "${0%/.pystrano/run}"
export DATABASE_URL='postgresql+psycopg://orders:tr0ub4dor@localhost/orders'
export LOG_LEVEL=info
VIRTUAL_ENV=$(readlink -f -- "${0%/run}/venv")
export VIRTUAL_ENV
export PATH="$VIRTUAL_ENV/bin:${0%/run}/bin:$PATH"
# The stop of uvicorn drops requests that it has not read; serve.py reads them first.
if [ "$1" = uvicorn ] && [ -x "$VIRTUAL_ENV/bin/uvicorn" ]; then
	shift
	exec "$VIRTUAL_ENV/bin/python" "${0%/run}/serve.py" "$@"
fi
exec "$@"
EOF
		chmod 700 "$1/run"
		cat >"$1/serve.py" <<\EOF
"""uvicorn, but before it stops it reads the requests of the connections that it has accepted.

Its own stop closes them unread.
"""

import asyncio

import uvicorn

shutdown = uvicorn.Server.shutdown


async def read_and_shutdown(server, sockets=None):
    for listener in server.servers:
        listener.close()
    await asyncio.sleep(0.1)
    await shutdown(server, sockets)


uvicorn.Server.shutdown = read_and_shutdown

if __name__ == "__main__":  # the processes of --workers import this file
    uvicorn.main(prog_name="uvicorn")
EOF
		mkdir "$1/bin"
		ln -s "$state/uv/bin/uv" "$1/bin/"
	)

	# link_env makes shared/.env a link through current, so that one rename switches code and env.
	# Whatever the app put in its place is replaced.
	link_env() {
		import_legacy_env
		through=../current/.pystrano/env
		[ ! -L "$shared" ] || through=$root/current/.pystrano/env # shared is a link: .. would be another directory
		link=$(readlink "$shared/.env") || :
		if [ "$link" != "$through" ]; then
			[ ! -e "$shared/.env" ] || link=${link:-file}
			case $link in
			'' | */.env.*) ;; # missing, or a link of an earlier version
			*) report warning "$shared/.env had been replaced; it is the env of the current release again" ;;
			esac
			if [ -d "$shared/.env" ] && [ ! -L "$shared/.env" ]; then
				mv -T "$shared/.env" "$shared/.env.replaced-by-$release"
			fi
			rm -f "$state/.env"
			ln -s "$through" "$state/.env"
			mv -f "$state/.env" "$shared/"
		fi
		for old in "$shared"/.env.*; do
			! has_env "${old#"$shared/.env."}" || rm -rf "$old" # left by an earlier version
		done
	}

	# import_legacy_env: earlier versions kept the env of each release in shared.
	import_legacy_env() {
		for name in $(good_releases); do
			if ! has_env "$name" && (umask 077 && { read_shared ".env.$name" || read_shared .env; } >"$state/env"); then
				sync "$state/env" # the original is removed later
				mkdir -p "$releases/$name/.pystrano"
				mv -fT "$state/env" "$releases/$name/.pystrano/env"
			fi
		done
		rm -f "$state/env"
	}

	has_env() { [ -f "$releases/$1/.pystrano/env" ] && [ ! -L "$releases/$1/.pystrano/env" ]; }

	# need_launcher RELEASE: the unit starts releases by their launcher. Releases of earlier versions have
	# none; they get that of this run if their env is the same.
	need_launcher() {
		if [ -x "$releases/$1/.pystrano/run" ]; then
			return
		fi
		mkdir "$releases/.new-launcher"
		write_env "$releases/.new-launcher"
		if cmp -s "$releases/.new-launcher/env" "$releases/$1/.pystrano/env"; then
			mkdir -p "$releases/$1/.pystrano"
			mv "$releases/.new-launcher/serve.py" "$releases/.new-launcher/run" "$releases/$1/.pystrano/"
		fi
		rm -rf "$releases/.new-launcher"
		[ -x "$releases/$1/.pystrano/run" ] ||
			die 3 "$services starts releases by .pystrano/run; $1, of an earlier version, has none and a different env: deploy with its env first"
	}

	link_media() {
		begin media
		mkdir -p "$shared/media"
		code=$(cd "$releases/$release" && find media '(' -name '*.py' -o -name '*.pyc' -o -name '*.pyx' -o -name '*.so' ')' 2>/dev/null | LC_ALL=C sort | sed -n 1p)
		[ -z "$code" ] || die 3 "media of the repository holds code, $code, and media of a release is where uploads are: shared/media; rename the directory"
		share_directory media
		report changed 'Linked shared media'
	}

	# share_directory NAME links NAME of the release to the directory in shared. Files that the first
	# release has there are copied to shared, once; nothing in shared is overwritten.
	share_directory() {
		own="$releases/$release"/$1
		if [ -d "$own" ] && [ ! -L "$own" ]; then
			missing=''
			[ -e "$state/copied/$1" ] || missing=yes
			others=$(cd "$own" && isolated find . ! -type d -exec sh -c "$share_files" sh "$shared" "$1/" "$missing" {} +)
			if [ -n "$missing" ]; then
				isolated sync -f "$shared/$1"
				mkdir -p "$state/copied/$1"
				report changed "Copied what the repository has in $1 to shared/$1"
			fi
			[ -z "$others" ] || report warning "shared/$1 lacks these files or has others, and is left as it is: $(printf '%s\n' "$others" | LC_ALL=C sort | tr '\n' ' ')"
		elif [ -e "$own" ] || [ -L "$own" ]; then
			report warning "$1 of the repository is not a directory and is replaced by shared/$1"
		fi
		link_shared "$1"
	}

	# Arguments: shared, a directory below it with a trailing slash, "yes" to copy files that are missing
	# there, and files of the release. Prints the files that shared lacks or has with other content. The
	# app can write in shared, so links there are not followed and only regular files are read.
	share_files='
		set -f
		from=$PWD shared=$1 to=$2 copy=$3
		shift 3

		# enter DIRECTORY changes to it, below shared; with $copy it creates what is missing.
		enter() {
			cd -P -- "$shared" && here=$(pwd -P) || return
			IFS=/
			for name in $1; do
				[ -z "$copy" ] || [ -e "./$name" ] || [ -L "./$name" ] || mkdir "./$name" || exit 4
				cd -P "./$name" 2>/dev/null && here=$here/$name && [ "$(pwd -P)" = "$here" ] || return
			done
		}

		# share FILE PATH NAME: exit status 3 when shared lacks it or has another, 4 when it could not be
		# copied.
		share() (
			enter "${2%"$3"}" || exit 3
			if [ -n "$copy" ] && [ ! -e "./$3" ] && [ ! -L "./$3" ]; then
				cp -pP --remove-destination "$from/$1" ./.pystrano-copy && mv -T ./.pystrano-copy "./$3" || exit 4
			elif [ -L "$from/$1" ] || [ -L "./$3" ]; then
				[ "$(readlink "./$3")" = "$(readlink "$from/$1")" ] || exit 3
			else
				[ -f "./$3" ] && dd if="./$3" iflag=nofollow,nonblock bs=64K status=none 2>/dev/null | cmp -s - "$from/$1" || exit 3
			fi
		)

		for file; do
			file=${file#./}
			code=0
			share "$file" "$to$file" "${file##*/}" || code=$?
			case $code in
			0) ;;
			3) printf "%s\n" "$file" ;;
			*) exit "$code" ;;
			esac
		done'

	# link_shared NAME replaces what the repository may have there by a link into shared.
	link_shared() {
		rm -rf "$releases/$release"/"${1:?}"
		ln -s "../../shared/$1" "$releases/$release"/"$1"
	}

	# Releases share a virtualenv only where its content follows from what describe_dependencies prints. A
	# complete virtualenv is never changed.
	install_dependencies() {
		begin dependencies
		need_dependency_file
		venv=$root/venvs/$(describe_dependencies | sha256sum | cut -c 1-16)
		if [ -e "$venv/.complete" ]; then
			result=ok text='Python dependencies are installed already'
		else
			rm -rf "$venv"
			make_venv
			install_packages
			# Mark it as complete only after all of it is on disk.
			isolated sync -f "$venv"
			: >"$venv/.complete"
			result=changed text='Installed Python dependencies'
		fi
		! is_packaged || install_project
		ln -s "../../../venvs/${venv##*/}" "$releases/$release/.pystrano/venv"
		report "$result" "$text"
	}

	make_venv() {
		find_uv
		run in_release "$uv" venv --quiet "$venv" --relocatable # with the Python that the project requires
	}

	describe_dependencies() {
		cd "$releases/$release"
		python3 -VV
		printf '%s\n' 'uv sync' "$project" "${UV_PYTHON:-}"
		cat .python-version uv.toml "$project/.python-version" "$project/uv.toml" 2>/dev/null || :
		cat "$project/pyproject.toml" "$lock"
		# Other packages that are installed from the checkout belong to this release alone.
		! grep -vE 'editable = "\."' "$lock" | grep -qE 'source = \{ *(editable|directory|path)' || printf '%s\n' "$release"
	}

	# is_packaged: the lock file installs the project itself, too, from its directory in the release.
	is_packaged() { grep -qE 'source = \{ *editable = "\."' "$releases/$release/$lock"; }

	# install_project hard-links the shared virtualenv into the release and installs the project there.
	install_project() {
		ln -s "../../../venvs/${venv##*/}" "$releases/$release/.pystrano/packages"
		rm -rf "$root/venvs/$release"
		cp -al "$venv" "$root/venvs/$release"
		venv=$root/venvs/$release
		find_uv
		sync_packages
		isolated sync -f "$venv"
	}

	# need_dependency_file: uv.lock of a workspace is above its members; uv finds it there.
	need_dependency_file() {
		project=$(dirname "$dependency_file") lock=$dependency_file
		while [ ! -f "$releases/$release/$lock" ]; do
			directory=$(dirname "$lock")
			[ "$directory" != . ] || die 3 "the repository has no $dependency_file, nor a uv.lock above it; correct dependency_file"
			lock=$(dirname "$directory")/uv.lock
		done
	}

	install_packages() {
		[ -n "$(locked_packages)" ] || ! grep -q '^members = ' "$releases/$release/$lock" ||
			die 3 "uv installs nothing for $project, on which no member of the workspace depends; set dependency_file to a member's directory and uv.lock, as in services/api/uv.lock"
		set --
		! is_packaged || set -- --no-install-workspace
		sync_packages --compile-bytecode "$@"
		if ! grep -q 'source = { git' "$releases/$release/$lock"; then
			check_lock
		fi
	}

	# sync_packages OPTIONS installs what the lock file has for the app.
	sync_packages() {
		run in_release "$uv" --project "$project" sync --frozen --no-dev "$@"
	}

	# locked_packages prints what uv will install, or "?" if this version of uv cannot list it.
	locked_packages() {
		locked=$(isolated "$uv" --project "$releases/$release/$project" export --frozen --no-dev --no-hashes 2>/dev/null) || locked='?'
		printf '%s\n' "$locked" | sed '/^ *#/d; /^$/d'
	}

	# check_lock warns when uv.lock does not match pyproject.toml: uv installs what is locked.
	check_lock() {
		differs=0
		isolated env UV_PROJECT_ENVIRONMENT="$venv" "$uv" --project "$releases/$release/$project" lock --check --offline >/dev/null 2>&1 ||
			differs=$?
		[ "$differs" != 1 ] || report warning "$lock is older than pyproject.toml, and was installed as it is; run uv lock"
	}

	# find_uv sets $uv, and installs it if it is missing. Commands of the release find it, too.
	find_uv() {
		find_own_uv
		mkdir -p "$releases/$release/.pystrano/bin"
		ln -sf "$uv" "$releases/$release/.pystrano/bin/uv"
	}

	# find_own_uv: a power failure may have left an empty file.
	find_own_uv() {
		uv=$state/uv/bin/uv
		if [ -z "$(isolated "$uv" --version 2>/dev/null)" ]; then
			run python3 -m venv --clear "$state/uv"
			pip_install "$state/uv" uv
		fi
	}

	# pip_install VENV ARGS installs into VENV, whatever a pip.conf sets for target, prefix, root or
	# python.
	pip_install() {
		into=$1
		shift
		if isolated grep -qsE '^[[:space:]]*(target|prefix|root|python)[[:space:]]*[=:]' "${PIP_CONFIG_FILE:-}" /etc/pip.conf /etc/xdg/pip/pip.conf \
			"$HOME/.pip/pip.conf" "${XDG_CONFIG_HOME:-$HOME/.config}/pip/pip.conf" "$into/pip.conf"; then
			set -- --target '' --prefix "$into" --root / "$@"
			export PIP_PYTHON="$into/bin/python"
		fi
		run in_release "$into/bin/pip" install --disable-pip-version-check --no-input "$@"
	}

	# in_release COMMAND runs it in the directory of the release, with the virtualenv and uv first on PATH, and
	# without the env file.
	in_release() (
		cd "$releases/$release" || exit
		export VIRTUAL_ENV="$venv" PATH="$venv/bin:$releases/$release/.pystrano/bin:$PATH"
		export UV_PROJECT_ENVIRONMENT="$venv"
		export PIP_REQUIRE_VIRTUALENV=1 # a pip outside of it refuses to install
		exec "$@"
	)

	# need_program NAME: stops the run when the virtualenv lacks a program that a unit starts.
	need_program() {
		if [ ! -x "$venv/bin/$1" ] && ! isolated "$releases/$release/.pystrano/run" sh -c 'command -v "$1"' sh "$1" >/dev/null 2>&1; then
			die 3 "there is no bin/$1 in the virtualenv; add $1 to "'pyproject.toml, and run uv lock'
		fi
	}

	# drop_agent: the ssh agent is for git and the dependencies only. The socket of an agent that was
	# forwarded to this run is removed; the agent of a person who runs this by hand stays.
	drop_agent() {
		[ -z "$nonce" ] || [ ! -S "${SSH_AUTH_SOCK:-}" ] || rm -f "$SSH_AUTH_SOCK"
		unset SSH_AUTH_SOCK
	}

	# A migration that has begun is never interrupted; a run that is told to stop does so after it. In its
	# own session a Ctrl-C at the terminal does not reach it.
	migrate() {
		begin migrate
		name_holder 'migrates'
		watch_controller "$$"
		echo migrating >"$releases/$release/.pystrano/unfinished"
		copy=$releases/$release/.pystrano/migrated
		run setsid "$releases/$release/.pystrano/run" "$venv/bin/alembic" upgrade head
		copy=''
		: >"$releases/$release/.pystrano/unfinished"
		name_holder
		unwatch_controller
		report changed 'Applied database migrations'
	}

	# report_migrations: when the run fails after migrations, tells which were applied and how to undo
	# them; the schema is not reverted.
	report_migrations() {
		applied=$(sed -n 's/^ *Applying \([A-Za-z0-9_]*\.[A-Za-z0-9_]*\)\.\.\. OK$/\1/p; s/.*Running upgrade .* -> \([A-Za-z0-9_]*\).*/\1/p' \
			"$releases/$release/.pystrano/migrated" 2>/dev/null | tr '\n' ' ')
		if [ -z "$applied" ] || [ "$action" = rollback ]; then
			return
		fi
		undo="alembic downgrade -$(printf '%s' "$applied" | wc -w)"
		event "fact migrations $applied"
		event "fact undo $undo"
		report warning "The database schema is not reverted; applied: $applied${undo:+(with the code of $commit: $undo)}"
	}

	# check_venv_dir: link_venv can rename the virtualenv that it takes over.
	check_venv_dir() {
		if [ ! -d "$venv_dir" ] || [ -L "$venv_dir" ]; then
			return
		fi
		if [ "$(stat -c %d "$venv_dir")" != "$(stat -c %d "$root")" ] || [ ! -w "${venv_dir%/*}" ]; then
			die 3 "$venv_dir cannot be moved to $root/venvs; name another venv_dir, and in the unit, too"
		fi
	}

	# link_venv makes $venv_dir a link through current, so that one rename switches it, too. A virtualenv
	# that releases shared until now is kept for the releases that used it: the two names are exchanged in
	# one step, so that the running app never misses it.
	link_venv() {
		if [ "$(readlink "$venv_dir")" = "$root/current/.pystrano/venv" ]; then
			return
		fi
		rm -f "$state/venv"
		ln -s "$root/current/.pystrano/venv" "$state/venv"
		if [ ! -e "$venv_dir" ]; then
			mkdir -p "${venv_dir%/*}"
			mv -fT "$state/venv" "$venv_dir"
			return
		fi
		# Another venv_dir may have been taken over before.
		number=1
		kept=$root/venvs/shared
		while [ -d "$kept" ] && [ ! -L "$kept" ]; do
			number=$((number + 1))
			kept=$root/venvs/shared-$number
		done
		for older in $(releases_without_venv); do
			mkdir -p "$releases/$older/.pystrano"
			ln -sfn "../../../venvs/${kept##*/}" "$releases/$older/.pystrano/venv"
		done
		mv -fT "$state/venv" "$kept"
		exchange "$kept" "$venv_dir"
	}

	# releases_without_venv prints the releases that use $venv_dir while that is a directory.
	releases_without_venv() {
		for older in $(good_releases); do
			own=$(readlink "$releases/$older/.pystrano/venv") || :
			own=$root/venvs/${own##*/}
			if [ "$own" = "$root/venvs/" ] || [ ! -d "$own" ] || [ -L "$own" ]; then
				printf '%s\n' "$older"
			fi
		done
	}

	# Debian 12 has no command that exchanges two names; the kernel does it (renameat2).
	exchange() {
		run python3 - "$1" "$2" <<\EOF
import ctypes, os, sys

libc = ctypes.CDLL(None, use_errno=True)
here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
one, other = map(os.fsencode, sys.argv[1:])
if libc.renameat2(here, one, here, other, exchange):
    sys.exit(f"cannot exchange {sys.argv[1]} and {sys.argv[2]}: {os.strerror(ctypes.get_errno())}")
EOF
	}

	# ---- promote

	# promote RESULT switches to $release, restarts and verifies. On any failure it reverts to $current.
	promote() {
		begin promote
		event "fact commit $commit"
		event "fact previous ${current:--}"
		# From here on signals are ignored: the run finishes by itself, with or without its controller.
		trap '' HUP INT PIPE TERM
		number_release
		# The release must be on disk before the link to it is: the power may fail.
		isolated sync -f "$releases/$release"
		prepare_links
		stage=promoted
		if switch_to next "$release" && restart && verify; then
			rm -f "$root/.back" || :
			log "$1"
		else
			revert "$?"
		fi
	}

	# number_release gives $release the next number. Releases are listed, rolled back to and pruned in the
	# order of their promotions.
	number_release() {
		last=$(cat "$releases"/*/.pystrano/order 2>/dev/null | sort -n | tail -n 1)
		printf '%s\n' "$((${last:-0} + 1))" >"$state/order"
		mkdir -p "$releases/$release/.pystrano"
		mv -f "$state/order" "$releases/$release/.pystrano/"
	}

	# prepare_links makes the links that will be renamed to current, the one for a revert too: if the disk
	# fills up later, it could not be made then. They lie beside current, where they resolve: the mv of
	# uutils does not replace a link to a directory by a dangling link.
	prepare_links() {
		rm -f "$root/.next" "$root/.back"
		ln -s "releases/$release" "$root/.next"
		[ -z "$current" ] || ln -s "releases/$current" "$root/.back"
	}

	# switch_to next|back RELEASE: one rename switches code and env together.
	switch_to() {
		mv -fT "$root/.$1" "$root/current" &&
			report changed "Promoted $2 to current"
	}

	# of_services COMMAND runs it with the names of the services that run the app, in the order of their
	# restart.
	of_services() {
		"$@" orders.service orders-worker.service
	}

	# service_properties NAME... prints a line with these properties for each service. One that reloads
	# counts as active.
	service_properties() {
		{
			IFS=,
			of_services systemctl show "--property=$*"
		} | awk -v RS= -F '\n' -v names="$*" '
			{
				split("", value)
				for (i = 1; i <= NF; i++)
					value[substr($i, 1, index($i, "=") - 1)] = substr($i, index($i, "=") + 1)
				sub("reloading", "active", value["ActiveState"])
				count = split(names, name, " ")
				for (i = 1; i <= count; i++)
					printf "%s%s", value[name[i]], (i < count ? " " : "\n")
			}'
	}

	# check_services: this user may restart the services, and systemd has loaded them.
	check_services() {
		command -v sudo >/dev/null || die 3 "sudo is missing, and restarting $services needs it; run setup.sh first"
		if ! said=$(of_services isolated sudo -n -l systemctl restart 2>&1 >/dev/null); then
			case $said in
			*tty*) die 3 "sudo requires a terminal (requiretty); add to sudoers: Defaults:$user !requiretty" ;;
			esac
			die 3 "$user may not run without a password: sudo systemctl restart $services; run setup.sh first, and make sure that no later rule of sudoers requires one"
		fi
		while read -r unit load; do
			case $load in
			not-found | masked | error | bad-setting) die 3 "systemd has no usable $unit (see: systemctl status $unit); run setup.sh first" ;;
			esac
		done <<EOF
$(service_properties Id LoadState)
EOF
	}

	restart() {
		begin restart
		unit=orders.service # the unit to blame for a failure
		restart_services || return
		started=$(service_states)
		report changed "Restarted $services"
	}

	# restart_services waits if systemd refuses to start a unit that was started too often, by a crashing
	# release or by many deploys; it accepts it again after StartLimitIntervalSec.
	restart_services() {
		wait_for_start_limit
		before=$(service_properties InvocationID)
		waited=0
		restarted=$(date +%s.%N)
		until said=$(of_services isolated sudo -n systemctl restart 2>&1); do
			code=$?
			note_start
			if ! were_refused || [ "$waited" -ge "$longest" ]; then
				run printf '%s\n' "$said"
				fallen=$(service_states | grep -v ' active ') || fallen=$unit
				unit=${fallen%% *}
				return "$code"
			fi
			sleep 1
			waited=$((waited + 1))
		done
		note_start
		[ -z "$said" ] || run printf '%s\n' "$said"
	}

	# wait_for_start_limit: a restart over the limit would stop the unit and then not start it.
	wait_for_start_limit() {
		waited=0
		while start_limit_is_reached && [ "$waited" -lt 900 ]; do
			[ "$waited" -gt 0 ] || report warning "Waiting until systemd accepts another start of $services"
			sleep 0.5
			waited=$((waited + 1))
		done
	}

	# start_limit_is_reached counts the starts within StartLimitIntervalSec, by earlier runs and by
	# systemd itself after crashes.
	start_limit_is_reached() {
		read -r uptime _ </proc/uptime
		{
			sed 's/^/start /' "$state/starts" 2>/dev/null
			service_properties StartLimitBurst NRestarts ActiveEnterTimestampMonotonic StartLimitIntervalUSec
		} | awk -v now="$uptime" '
			$1 == "start" { starts[++count] = $2; next }
			{
				seconds = 0
				for (i = 4; i <= NF; i++)
					seconds += $i * ($i ~ /[mu]s$/ ? 0.001 : $i ~ /s$/ ? 1 : $i ~ /min$/ ? 60 : $i ~ /h$/ ? 3600 : 86400)
				recent = now - $3 / 1000000 < seconds ? $2 : 0
				for (i = 1; i <= count; i++)
					recent += starts[i] <= now && now - starts[i] <= seconds
				if ($1 > 0 && recent >= $1) reached = 1
			}
			END { exit !reached }'
	}

	# note_start keeps the times of the last starts, by the uptime: the wall clock may be set.
	note_start() {
		read -r uptime _ </proc/uptime
		starts=$(tail -n 99 "$state/starts" 2>/dev/null) || :
		printf '%s\n' "$starts" "$uptime" 2>/dev/null >"$state/starts" || :
	}

	# were_refused: systemd did not even try to start the failed units; their invocation is the one before
	# the restart. Not every such unit has start-limit-hit as its result.
	were_refused() {
		refused=1 longest=30
		while read -r active result invocation; do
			if [ "$active" = failed ]; then
				printf '%s\n' "$before" | grep -qxF -e "$invocation" || return
				[ "$result" != start-limit-hit ] || longest=900
				refused=0
			fi
		done <<EOF
$(service_properties ActiveState Result InvocationID)
EOF
		return "$refused"
	}

	# service_states: a new InvocationID means that systemd started the unit again.
	service_states() {
		service_properties Id ActiveState InvocationID
	}

	# services_hold: all services are active, and none was started again since the restart.
	services_hold() {
		states=$(service_states)
		if [ "$states" = "$started" ] && ! printf '%s\n' "$states" | grep -qv ' active '; then
			return
		fi
		fallen=$(printf '%s\n' "$states" | grep -v ' active ') ||
			fallen=$(printf '%s\n' "$states" | grep -vxF -e "$started") || fallen=$unit
		unit=${fallen%% *}
		reason="$unit did not stay up"
		return 1
	}

	# services_run_release: no process of a unit runs in another release. With a WorkingDirectory that
	# does not lead through current it would keep running the old code.
	services_run_release() {
		while read -r unit process; do
			where=$(readlink "/proc/$process/cwd") || continue # a process of another user
			case $where/ in
			*"/$(readlink "$root/current")/"*) ;;
			"$(cd -P "$releases" && pwd)"/*)
				reason="$unit runs in $where; its WorkingDirectory must lead through $root/current"
				return 1
				;;
			esac
		done <<EOF
$(service_properties Id MainPID)
EOF
		unit=orders.service
	}

	# failed_with_log STATUS: a controller takes the output before a failure as its cause, so it gets the
	# log first.
	failed_with_log() {
		[ -z "$nonce" ] || show_log
		failed "$1"
		[ -n "$nonce" ] || show_log
	}

	# show_log prints what $unit logged last since this run restarted it, if the run fails because of the
	# unit.
	show_log() {
		case "$step $reason" in
		*'another host failed') return 0 ;;
		restart\ * | verify\ *) ;;
		*) return 0 ;;
		esac
		if ! isolated sudo -n -l journalctl --no-pager --unit="$unit" --output=short-unix --lines=10000 >/dev/null 2>&1; then
			run printf '%s\n' "$user may not read the log of $unit here; run setup.sh again, or look as root: journalctl --unit=$unit"
			return 0
		fi
		# The journal may not have the last lines yet.
		log='' before=-
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			[ -z "$log" ] || [ "$log" != "$before" ] || break
			before=$log
			sleep 0.1
			log=$(isolated sudo -n journalctl --no-pager --unit="$unit" --output=short-unix --lines=10000 2>/dev/null | isolated log_lines | tail -n 20)
		done
		[ -z "$log" ] || run printf '%s\n' "$log"
	}

	# log_lines prints the lines since the restart, without their times
	# and with the secrets of the env redacted.
	log_lines() {
		launcher=$root/current/.pystrano/run
		[ -x "$launcher" ] || launcher='env'
		"$launcher" awk -v since="$restarted" '
			BEGIN {
				for (name in ENVIRON) {
					value = ENVIRON[name]
					if (toupper(name) ~ /PASSW|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|APIKEY|_(KEY|PASS|PWD|DSN)(_|$)|^(KEY|PASS|DSN)(_|$)/) {
						parts = split(value, part, "\n")
						for (i = 1; i <= parts; i++) add(part[i])
					}
					while (match(value, /:\/\/[^:@\/ ]*:[^@ ]+@/)) {
						login = substr(value, RSTART + 3, RLENGTH - 4)
						add(substr(login, index(login, ":") + 1))
						value = substr(value, RSTART + RLENGTH)
					}
				}
			}
			/^[0-9]+\.[0-9]+ / {
				shown = $1 >= since
				sub(/^[^ ]+ [^ ]+ /, "")
			}
			shown {
				for (secret in secrets) {
					kept = ""
					while (at = index($0, secret)) {
						kept = kept substr($0, 1, at - 1) "[secret]"
						$0 = substr($0, at + length(secret))
					}
					$0 = kept $0
				}
				print
			}
			function add(text) {
				if (length(text) >= (text ~ /^[0-9]+$/ ? 6 : 4) && text !~ /^(true|false|none|null)$/) secrets[text]
			}'
	}

	# trigger_holds UNIT: the socket, timer or path is active.
	trigger_holds() {
		if ! systemctl is-active --quiet -- "$1"; then
			reason="$1 is not active; run setup.sh, and see: systemctl status $1"
			return 1
		fi
	}

	verify() {
		begin verify
		read_clock
		deadline=$((now + health_check_timeout)) broken_since=''
		answer_timeout=1 # seconds: a socket accepts requests even when the app is dead
		until is_healthy; do
			read_clock
			if [ "$now" -ge "$deadline" ]; then
				reason="$health_check_url did not answer with 200-399 within $health_check_timeout s; its last answer was ${code:-none}"
				return 1
			fi
			# Under load this request waits behind earlier ones.
			answer_timeout=$((answer_timeout * 2))
			[ "$answer_timeout" -le "$((deadline - now))" ] || answer_timeout=$((deadline - now))
			# No need to wait for an app that says it is broken. 502 to 504 come from a proxy in front of it,
			# which may still be waiting for the app.
			case $code in
			50[2-4]) broken_since='' ;;
			5*) broken_since=${broken_since:-$now} ;;
			*) broken_since='' ;;
			esac
			if [ -n "$broken_since" ] && [ "$((now - broken_since))" -ge 5 ]; then
				reason="$health_check_url answered with $code for 5 s"
				return 1
			fi
			services_hold || return
			sleep 0.2
		done
		warn_of_redirect
		# The answer does not cover the other units. A unit that cannot start often exits only after a while.
		checks_left=15
		while [ "$checks_left" -gt 0 ]; do
			sleep 0.2
			services_hold || return
			checks_left=$((checks_left - 1))
		done
		services_run_release || return
		trigger_holds orders.socket || return
		trigger_holds orders-report.timer || return
		report ok 'Verified that the app answers and the units stay up'
	}

	# is_healthy: the app answers with one of health_check_statuses. The header tells apps that require
	# https that the client of the proxy used it.
	is_healthy() {
		answer=$(isolated curl --silent --globoff --noproxy '*' --max-time "$answer_timeout" --output /dev/null \
			--header 'X-Forwarded-Proto: https' \
			--write-out '%{http_code} %{redirect_url}' -- "$health_check_url") || :
		code=${answer%% *}
		{ [ "${code:-0}" -ge 200 ] && [ "${code:-0}" -le 399 ]; }
	}

	# warn_of_redirect: an app that only redirects to https may still be broken behind the redirect.
	warn_of_redirect() {
		case $answer in
		*' https://'*)
			if [ "/${answer#* https://*/}" = /health ]; then
				report warning "$health_check_url only redirects to https; let the app trust X-Forwarded-Proto, or set health_check_statuses to 200-299"
			fi
			;;
		esac
	}

	# revert STATUS switches back to $current, restarts and verifies it. The run fails.
	revert() {
		failed_with_log "$1"
		failed_step=$step
		begin revert
		reason=''
		if [ -z "$current" ]; then
			rm -f "$root/current"
			restart_services || : # the units ran $release, and there is no release to run instead
		elif ! { switch_to back "$current" && restart && verify; }; then
			failed_with_log 5
			log doubt
			conclude 5 doubt "$release failed, and $current could not be brought back; look at this host now"
		fi
		report_migrations
		[ "$action" = rollback ] || discard "$release" || report warning "Could not remove $releases/$release"
		log reverted
		conclude 1 reverted "$release failed at $failed_step; current is ${current:-nothing} again"
	}

	# log RESULT appends a line to revisions.log.
	log() {
		printf '%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ) $release $commit $who $1" >>"$state/revisions.log" || report warning 'Could not write revisions.log'
	}

	# import_legacy_log: earlier versions kept the log in shared.
	import_legacy_log() {
		if [ ! -e "$state/revisions.log" ] && read_shared revisions.log >"$state/log"; then
			mv "$state/log" "$state/revisions.log"
			rm -f "$shared/revisions.log"
		fi
		rm -f "$state/log"
	}

	# read_shared NAME prints a file of shared. The app can write there: links are not followed, a FIFO
	# does not block, and at most 64 MiB are read.
	read_shared() {
		[ -f "$shared/$1" ] && [ ! -L "$shared/$1" ] &&
			isolated dd if="$shared/$1" iflag=nofollow,nonblock,fullblock bs=1M count=64 status=none
	}

	# prune removes old releases, but never the current one or the one before it.
	prune() {
		begin prune
		pruned=0
		for old in $(good_releases | head -n "-$keep_releases"); do
			case $old in "$release" | "$current") continue ;; esac
			if ! discard "$old"; then
				report warning "Could not remove $releases/$old"
				return
			fi
			pruned=$((pruned + 1))
		done
		prune_venvs || report warning 'Could not remove an unused virtualenv'
		case $pruned in
		0) report ok 'There is nothing to prune' ;;
		*) report changed "Pruned $pruned old releases" ;;
		esac
	}

	# prune_venvs removes the virtualenvs that no release uses any more.
	prune_venvs() {
		remove "$root"/venvs/.trash-*
		for old in "$root"/venvs/*; do
			for user_of in "$releases"/*/.pystrano/venv "$releases"/*/.pystrano/packages; do
				[ "$(readlink "$user_of")" != "../../../venvs/${old##*/}" ] || continue 2
			done
			# Rename it first: a virtualenv that is only partly removed must not look complete.
			mv "$old" "$root/venvs/.trash-${old##*/}" || return
		done
		remove "$root"/venvs/.trash-*
	}

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
			[ -z "$copy" ] || printf '%s\n' "$line" >>"$copy"
		done
		exit 137 # the command and the shell around it were killed
	}

	copy='' # a file that gets a copy of what relay prints

	terminal_codes='s/\r$//; s/.*\r//; s/\x1b\[[0-?]*[ -/]*[@-~]//g; s/\x1b][^\x07\x1b]*//g
		s/\xc2[\x80-\x9f]//g; s/[\x01-\x08\x0b-\x1f\x7f]//g'

	# ---- the run

	main() {
		set -eu
		# The user's environment must not decide the modes of a release or where its packages go.
		umask 022
		unset CDPATH PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON PYTHONHOME PYTHONPATH VIRTUAL_ENV UV_PROJECT UV_PYTHON UV_SYSTEM_PYTHON
		export PIP_USER=0 PIP_DRY_RUN=0 PIP_NO_DEPS=0
		# Interpreters that uv fetches go where the app can read them.
		export UV_PYTHON_INSTALL_DIR="$state/python"
		cd / # this user may not have access to the caller's directory
		action='' release='' who='' barrier='' lock_wait=0 facts='' current='' commit=- stage=refusing
		for word in "$@"; do
			case $word in
			nonce=*) nonce=${word#*=} ;;
			who=*) who=${word#*=} ;;
			barrier=*) barrier=${word#*=} ;; # seconds
			lock-wait=*) lock_wait=${word#*=} ;;
			facts=*) facts=${word#*=} ;; # status reports the system, too
			*)
				[ -z "$release" ] || usage
				[ -z "$action" ] && action=$word || release=$word
				;;
			esac
		done
		action=${action:-deploy}
		case $action in deploy | rollback | restart | status) ;; *) usage ;; esac
		[ "$action" != restart ] || [ -z "$release" ] || usage
		case $lock_wait in '' | *[!0-9]*) usage ;; esac
		case $release in [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) usage ;; esac
		start_run "$action" "${release:--}"
		[ "$(id -un)" = "$user" ] || die 2 "run it as $user"
		who=${who:-${SUDO_USER:-$user}@$(uname -n)}
		stage=checking
		[ "$action" != restart ] || restart_alone
		"$action"
	}

	usage() {
		printf '%s\n' 'usage: sh deploy.sh [deploy|rollback|restart|status] [RELEASE] [lock-wait=SECONDS]' >&2
		exit 2
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

	# end_run STATUS ends a run that did not conclude.
	end_run() {
		failed "$1"
		report_migrations
		case $stage in
		refusing) conclude 2 refused '' ;;
		looking) conclude 3 stopped '' ;;
		promoted)
			log doubt
			conclude 5 doubt "$release was being promoted; look at this host now"
			;;
		building) discard "$release" ;;
		esac
		# Only the run with the lock may remove them: they are its links for promotion and revert.
		[ "$stage" = checking ] || rm -f "$root/.next" "$root/.back" "$state/order"
		conclude 3 stopped "Stopped before promotion; current is still ${current:-nothing}"
	}

	# ---- the controller: who runs this by hand may skip the rest

	# read_order sets $order to the next order of the controller; "wait" is a heartbeat. Fails at the end
	# of the input and when no line comes for $barrier seconds.
	read_order() {
		order='wait'
		while [ "$order" = wait ]; do
			line=$(timeout "$barrier" sh -c 'IFS= read -r line && printf %s "$line"' <&3 9>&-) || return
			case $line in "$nonce "*) order=${line#* } ;; esac
		done
	}

	# await_order PHASE ORDER waits for ORDER; on any other the run is cancelled.
	await_order() {
		unwatch_controller
		if [ -n "$barrier" ]; then
			name_holder "waits for the controller ($1)"
			event "phase $1"
			read_order || :
			name_holder
			[ "$order" = "$2" ] || die 3 'cancelled'
		fi
	}

	watcher='' # the process that watches the connection to the controller

	# watch_controller PROCESS terminates this run and PROCESS when the connection is lost; 0 stands for
	# the whole process group.
	watch_controller() {
		[ -n "$nonce" ] || return 0
		{
			while IFS= read -r _; do :; done
			trap '' TERM
			# Repeat it: a shell that is just starting a command can miss a signal. CONT is for one that was
			# stopped.
			while kill -TERM "$$" && kill -CONT "$$" && kill -TERM "$1"; do sleep 1; done
		} <&3 >/dev/null 2>&1 8<&- 9>&- &
		watcher=$!
	}

	unwatch_controller() {
		[ -n "$watcher" ] || return 0
		kill -KILL "$watcher" 2>/dev/null || : # one that was just started can miss TERM
		wait "$watcher" 2>/dev/null || :
		watcher=''
	}

	exec 3<&0 </dev/null
	main "$@"
	exit
}
