	# link_shared NAME: in place of what the repository may hold under that name.
	link_shared() {
		rm -rf "$releases/$release/${1:?}"
		ln -s "../../shared/$1" "$releases/$release/$1"
	}

	link_media() {
		begin media
		mkdir -p "$shared/media"
		if [ -d "$releases/$release/media" ] && [ ! -L "$releases/$release/media" ]; then
			keep_media
		elif [ -e "$releases/$release/media" ] || [ -L "$releases/$release/media" ]; then
			report warning 'media of the repository is no directory, and gives way to shared/media'
		fi
		link_shared media
		report changed 'Linked shared media'
	}

	# keep_media: what the repository has in media is copied to shared/media, where it is missing.
	# Code is not for there: the release would lack it.
	keep_media() {
		code=$(cd "$releases/$release" && find media '(' -name '*.py' -o -name '*.pyc' -o -name '*.pyx' -o -name '*.so' ')' | LC_ALL=C sort | sed -n 1p)
		[ -z "$code" ] || die 3 "media of the repository holds code, $code, and media of a release is where uploads are: shared/media; rename the directory"
		kept=$(cd "$releases/$release/media" && isolated find . ! -type d -exec sh -c "$copy_missing" sh "$shared/media" {} +)
		for what in copied differs; do
			files=$(printf '%s\n' "$kept" | sed -n "s:^$what \./:media/:p" | LC_ALL=C sort | tr '\n' ' ')
			case $what$files in
			copied?*) report changed "Copied to shared/media what the repository has there: $files" ;;
			differs?*) report warning "shared/media has other files of these names, and keeps them: $files" ;;
			esac
		done
	}

	# Copies files to a directory that lacks them. Each gets its name when it is whole.
	# shellcheck disable=SC2016 # its arguments are its own
	copy_missing='to=$1
		shift
		for file; do
			if [ ! -e "$to/$file" ] && [ ! -L "$to/$file" ]; then
				mkdir -p "$to/${file%/*}" && cp -pP "$file" "$to/.pystrano-copy" && mv "$to/.pystrano-copy" "$to/$file" || exit
				printf "copied %s\n" "$file"
			elif ! cmp -s "$file" "$to/$file"; then
				printf "differs %s\n" "$file"
			fi
		done'
