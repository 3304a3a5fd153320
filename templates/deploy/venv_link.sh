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
