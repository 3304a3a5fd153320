#!/bin/sh
# deploy.sh: releases of one app on one server.
#
#   sh deploy.sh [deploy] [RELEASE]    build a release, promote it, verify it
#   sh deploy.sh rollback [RELEASE]    promote an earlier release again
#   sh deploy.sh status                show what runs here
#
# Run it as deploy on site.example.com. RELEASE defaults to the time, in UTC. With lock-wait=SECONDS
# it waits that long for another run, which holds the lock.
# A deploy takes these steps, each a function below. Until promote the app goes on as it was.
#   lock          one run at a time; what a killed run left behind is removed
#   release       whatever would stop the release later stops it now
#   clone         'git@git.example.com:site.git'
#   env           the launcher, which starts commands and the app
#   media         a link to /home/deploy/site/shared/media
#   dependencies  into /home/deploy/.venv
#   promote       one rename switches current to the release; if a later step fails, it is switched back
#   prune         all but 5 releases
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

	app=site/production
	user=deploy
	root=/home/deploy/site
	source_code_url='git@git.example.com:site.git'
	dependency_file=requirements.txt
	venv=/home/deploy/.venv
	keep_releases=5

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
		await_order ready go
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
		report ok "Found release $release"
		event "fact release $release"
		await_order ready go
		promote rolled-back
		conclude 0 rolled-back "Rolled back to $release ($commit)"
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
		[ -z "$facts" ] || report_system "$venv"
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
		[ "$(readlink "$venv")" != "$root/current/.pystrano/venv" ] ||
			die 3 "$venv belongs to the current release, through venv_mode: release; name another venv_dir"
		[ -x "$venv/bin/python" ] || die 3 "there is no virtualenv at $venv; run setup.sh first"
		check_promotion
		report ok "Prepared release $release"
	}

	# check_promotion: the checks that deploy and rollback share. Refuses a path that setup.sh recorded
	# for another app of this host.
	check_promotion() {
		records=/var/lib/pystrano/apps
		taken=$(grep -rxF -e 'root /home/deploy/site' -e 'venv /home/deploy/.venv' "$records" 2>/dev/null | grep -vF -e "$records/$app:" | head -n 1)
		if [ -n "$taken" ]; then
			taken=${taken#"$records/"}
			die 3 "${taken#*:* } belongs to ${taken%%:*} on this host; give $app one of its own, then run setup.sh"
		fi
	}

	# ---- clone

	get_code() {
		begin clone
		new=$releases/.new-$release
		mkdir "$new"
		exec 8<"$new" # stop_orphans finds the commands of this run by it
		clone || stop_clone "$?"
		find_commit
		agree_on_commit
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
		output=$(repository_git clone --quiet --no-checkout --single-branch --depth 1 -- "$source_code_url" "$new" 2>&1)
	}

	# find_commit sets $commit, and $pulled to a description of its ref.
	find_commit() {
		if ! commit=$(repository_git -C "$new" rev-parse --verify --quiet HEAD); then
			[ -z "$output" ] || run printf '%s\n' "$output"
			branches=$(repository_git ls-remote --heads -- "$source_code_url" | sed 's:.*refs/heads/::' | tr '\n' ' ')
			[ -n "$branches" ] || die 3 'the repository is empty; push the app to it first'
			die 3 "the repository's HEAD names a branch that is not there; set branch to one of: $branches"
		fi
		pulled='the default branch'
	}

	# take_commit COMMIT takes another server's commit, if a push came between their clones. It must be
	# one of the last 100 of what is deployed: whoever controls one server must not choose a commit for
	# the others.
	take_commit() {
		output=$(repository_git -C "$new" fetch --quiet --no-auto-gc --deepen 100 origin HEAD 2>&1) || stop_clone "$?"
		repository_git -C "$new" rev-list --max-count=100 FETCH_HEAD | grep -qxF -e "$1" ||
			die 3 "this server has commit $commit, another has $1, which is not among the last 100 of $pulled"
		commit=$1
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
		report changed 'Wrote the launcher'
	}

	# write_env DIRECTORY writes the launcher, which starts commands and the app.
	write_env() (
		umask 077
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
export VIRTUAL_ENV=/home/deploy/.venv
export PATH="$VIRTUAL_ENV/bin:$PATH"
exec "$@"
EOF
		chmod 700 "$1/run"
	)

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

	install_dependencies() {
		begin dependencies
		need_dependency_file
		# Without changes pip would still take longer than any other step.
		if is_pinned && [ "$(install_state)" = "$(cat "$venv/.installed" 2>/dev/null)" ]; then
			report ok 'Python dependencies are installed already'
			return
		fi
		rm -f "$venv/.installed" # until this install is complete
		refuse_local_packages
		packages=$(packages)
		install_packages
		# Mark it as installed only after all of it is on disk.
		isolated sync -f "$venv"
		install_state >"$venv/.installed"
		report changed 'Installed Python dependencies'
	}

	# is_pinned: every line of the dependency file, apart from markers, hashes and comments, is
	# name[extras]==version, and the virtualenv does not see system packages.
	is_pinned() {
		grep -qs '^include-system-site-packages = false' "$venv/pyvenv.cfg" &&
			! sed -E 's/(^|[[:space:]])#.*//; s/;.*//; s/--hash=[[:alnum:]:]+//g; s/\\$//' "$releases/$release/$dependency_file" |
			grep -qvE '^[[:space:]]*([[:alnum:]._-]+(\[[[:alnum:]., _-]*\])?[[:space:]]*==[[:space:]]*[[:alnum:].+!-]+)?[[:space:]]*$'
	}

	# install_state prints what does not change as long as pip has nothing to do for a pinned file.
	install_state() {
		{
			cat "$releases/$release/$dependency_file" "$venv/pyvenv.cfg"
			stat -L -c '%n %i %s %y' "$venv/bin/python" "$venv"/lib/python*/site-packages
		} 2>/dev/null | sha256sum
	}

	# refuse_local_packages: packages installed from the release itself would make the shared virtualenv
	# point into it, or change the code of the app that is running.
	refuse_local_packages() {
		local_package=$(local_packages "$dependency_file" xxxxxxxxx | sed -n 1p)
		[ -z "$local_package" ] || die 3 "the virtualenv that releases share must not point into one of them, and $dependency_file installs from it: $local_package; set venv_mode: release"
	}

	# local_packages FILE DEPTH prints the directories of the release that FILE installs. It follows -r at
	# most as many levels deep as DEPTH has letters.
	local_packages() {
		sed -E 's/(^|[[:space:]])#.*//; s/^[[:space:]]+//; s/^(-r|--requirement)[[:space:]=]*/-r/; s/^(-e|--editable)[[:space:]=]*/-e/
			s/^[^/]*@[[:space:]]*//; s/^(-e)?file:|^-e(\.\/)?/.\//; s/[[:space:];[].*//; s/^\.\/\.$/./; s/^\.\/+\//\//' "$releases/$release/$1" |
			while IFS= read -r path; do
				case $path in
				-r*)
					path=$(dirname "$1")/${path#-r}
					[ -z "$2" ] || [ ! -f "$releases/$release/$path" ] || local_packages "$path" "${2#x}"
					;;
				"$root"/current/* | "$releases"/*) printf '%s\n' "$path" ;;
				.* | */*) [ ! -d "$releases/$release"/"$path" ] || printf '%s\n' "$path" ;;
				esac
			done
	}

	need_dependency_file() {
		if [ ! -f "$releases/$release/$dependency_file" ] || [ ! -r "$releases/$release/$dependency_file" ]; then
			die 3 "the repository has no $dependency_file that can be read; correct dependency_file"
		fi
	}

	install_packages() {
		pip_log=$releases/$release/.pystrano/pip.log
		pip_install "$venv" --log "$pip_log" -r "$dependency_file" || stop_pip "$?"
		if grep -qs 'source of the following dependency conflicts' "$pip_log"; then
			report warning "Packages in the virtualenv are incompatible: $(sed -n 's/^[^ ]* *\(.* requires .*\), but .*/\1/p' "$pip_log" | head -n 3 | tr '\n' ';')"
		fi
		rm -f "$pip_log"
	}

	# stop_pip STATUS stops the run, with reasons that pip does not give itself.
	stop_pip() {
		refused=$(sed -nE 's/.*: (40[13]) Client Error.* for url: ([^ ]*).*/\2 answered \1/p' "$pip_log" 2>/dev/null | sed -n 1p)
		unset_variables=''
		for name in $(grep -v '^[[:space:]]*#' "$releases/$release/$dependency_file" | grep -oE '\$\{[A-Z0-9_]+\}' | sort -u | tr -d '${}'); do
			printenv "$name" >/dev/null || unset_variables="$unset_variables$name "
		done
		if [ -n "$unset_variables" ]; then
			reason="$dependency_file names variables that are not set here, and env_file does not apply: $unset_variables${refused:+($refused)}"
		elif [ -n "$refused" ]; then
			reason="the package index accepts none of the credentials that pip has here: $refused"
		fi
		die "$1" "${reason:+$reason; keep the login of an index in pip.conf or .netrc of $user}"
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

	packages='' # installed before this run

	# packages prints what is installed in the virtualenv.
	packages() {
		isolated find "$venv" -path '*/site-packages/*-info' -prune 2>/dev/null | sed 's:.*/::; s/\.[a-z]*-info$//'
	}

	# report_packages: when the run fails, tells which packages it changed in the shared virtualenv; they
	# are not reverted.
	report_packages() {
		if [ -n "$packages" ]; then
			changed=$(printf '%s\n' "$packages" "$(packages)" | sort | uniq -u | tr '\n' ' ')
			if [ -n "$changed" ]; then
				event "fact packages $changed"
				report warning "The shared virtualenv was changed and stays changed: $changed"
			fi
		fi
	}

	# in_release COMMAND runs it in the directory of the release, with the virtualenv first on PATH, and
	# without the env file.
	in_release() (
		cd "$releases/$release" || exit
		export VIRTUAL_ENV="$venv" PATH="$venv/bin:$PATH"
		export PIP_REQUIRE_VIRTUALENV=1 # a pip outside of it refuses to install
		exec "$@"
	)

	# drop_agent: the ssh agent is for git and the dependencies only. The socket of an agent that was
	# forwarded to this run is removed; the agent of a person who runs this by hand stays.
	drop_agent() {
		[ -z "$nonce" ] || [ ! -S "${SSH_AUTH_SOCK:-}" ] || rm -f "$SSH_AUTH_SOCK"
		unset SSH_AUTH_SOCK
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
		if switch_to next "$release" && await_verdict; then
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

	# revert STATUS switches back to $current, restarts and verifies it. The run fails.
	revert() {
		report_packages
		failed "$1"
		failed_step=$step
		begin revert
		reason=''
		if [ -z "$current" ]; then
			rm -f "$root/current"
		elif ! switch_to back "$current"; then
			failed 5
			log doubt
			conclude 5 doubt "$release failed, and $current could not be brought back; look at this host now"
		fi
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
		case $pruned in
		0) report ok 'There is nothing to prune' ;;
		*) report changed "Pruned $pruned old releases" ;;
		esac
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
		done
		exit 137 # the command and the shell around it were killed
	}

	terminal_codes='s/\r$//; s/.*\r//; s/\x1b\[[0-?]*[ -/]*[@-~]//g; s/\x1b][^\x07\x1b]*//g
		s/\xc2[\x80-\x9f]//g; s/[\x01-\x08\x0b-\x1f\x7f]//g'

	# ---- the run

	main() {
		set -eu
		# The user's environment must not decide the modes of a release or where its packages go.
		umask 022
		unset CDPATH PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON PYTHONHOME PYTHONPATH VIRTUAL_ENV UV_PROJECT UV_PYTHON UV_SYSTEM_PYTHON
		export PIP_USER=0 PIP_DRY_RUN=0 PIP_NO_DEPS=0
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
		case $action in deploy | rollback | status) ;; *) usage ;; esac
		case $lock_wait in '' | *[!0-9]*) usage ;; esac
		case $release in [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) usage ;; esac
		start_run "$action" "${release:--}"
		[ "$(id -un)" = "$user" ] || die 2 "run it as $user"
		who=${who:-${SUDO_USER:-$user}@$(uname -n)}
		stage=checking
		"$action"
	}

	usage() {
		printf '%s\n' 'usage: sh deploy.sh [deploy|rollback|status] [RELEASE] [lock-wait=SECONDS]' >&2
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
		report_packages
		failed "$1"
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

	# agree_on_commit reports the commit that this server cloned; the controller orders the commit that
	# all servers deploy.
	agree_on_commit() {
		event "fact commit $commit"
		[ -n "$barrier" ] || return 0
		unwatch_controller
		event 'phase cloned'
		read_order || :
		chosen=${order#commit }
		case $chosen in '' | *[!0-9a-f]*) die 3 'cancelled' ;; esac
		watch_controller 0
		if [ "$chosen" != "$commit" ]; then
			take_commit "$chosen"
			event "fact commit $commit"
		fi
	}

	# await_verdict: under a controller a promoted host reverts only when ordered to; without one it keeps
	# the verified release.
	await_verdict() {
		[ -n "$barrier" ] || return 0
		name_holder 'waits for the controller (promoted)'
		event 'phase promoted'
		if read_order && [ "$order" = revert ]; then
			reason='another host failed'
			return 1
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
