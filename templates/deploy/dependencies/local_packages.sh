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
				.* | */*) [ ! -d {{ app_root|safe }}/"$path" ] || printf '%s\n' "$path" ;;
				esac
			done
	}
