	# link_venv makes $venv_dir the link through current that one rename switches. A directory of
	# earlier days becomes the virtualenv of the releases that used it: the two names are
	# exchanged in one step, so that the running app never misses it.
	link_venv() {
		[ "$(readlink "$venv_dir")" != "$root/current/.pystrano/venv" ] || return 0
		rm -f "$state/venv"
		ln -s "$root/current/.pystrano/venv" "$state/venv"
		if [ ! -e "$venv_dir" ]; then
			mkdir -p "${venv_dir%/*}"
			mv -fT "$state/venv" "$venv_dir"
			return
		fi
		for older in $(good_releases); do
			[ ! -L "$releases/$older/.pystrano/venv" ] || continue
			mkdir -p "$releases/$older/.pystrano"
			ln -s ../../../venvs/shared "$releases/$older/.pystrano/venv"
		done
		mv -fT "$state/venv" "$root/venvs/shared"
		exchange "$root/venvs/shared" "$venv_dir"
	}

	# No command of Debian 12 exchanges two names, but the kernel does (renameat2).
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
