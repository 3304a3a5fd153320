	# refuse_local_packages: what is installed from the release itself would lead the shared virtualenv
	# into it, or change the code of the app that still runs.
	refuse_local_packages() {
		local_package=$(local_packages "$dependency_file" xxxxxxxxx | sed -n 1p)
		[ -z "$local_package" ] || die 3 "the virtualenv that releases share must not lead into one of them, and $dependency_file installs from it: $local_package; set venv_mode: release"
	}

	# local_packages FILE DEPTH prints the lines, of it and of the files that it names, which install
	# a directory of the release. DEPTH letters bound a circle of files.
	local_packages() {
		sed -E 's/(^|[[:space:]])#.*//; s/[[:space:]]+$//' "$releases/$release/$1" |
			grep -E -e '^[[:space:]]*(-e|--editable)[[:space:]=]*[^[:space:]/:+][^:+]*$' \
				-e '^[[:space:]]*((-e|--editable)[[:space:]=]*|[[:alnum:]._-]+(\[[^]]*\])?[[:space:]]*@[[:space:]]*)?(\.|file:[^/])' \
				-e '^[[:space:]]*[[:alnum:]_][^]@:;<>=# ]*/' |
			grep -vE '\.(whl|zip|tar|tgz|gz|bz2|xz)([[:space:][;]|$)' || :
		sed -nE 's/^[[:space:]]*(-r|--requirement)[[:space:]=]*([^[:space:]]+).*/\2/p' "$releases/$release/$1" |
			while [ -n "$2" ] && read -r more; do
				more=$(dirname "$1")/$more
				[ ! -f "$releases/$release/$more" ] || local_packages "$more" "${2#x}"
			done
	}
