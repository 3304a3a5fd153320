	link_media() {
		begin media
		mkdir -p "$shared/media"
		code=$(cd {{ app_root|safe }} && find media '(' -name '*.py' -o -name '*.pyc' -o -name '*.pyx' -o -name '*.so' ')' 2>/dev/null | LC_ALL=C sort | sed -n 1p)
		[ -z "$code" ] || die 3 "media of the repository holds code, $code, and media of a release is where uploads are: shared/media; rename the directory"
		share_directory media
		report changed 'Linked shared media'
	}

	# share_directory NAME: the release gets a link to the one in shared. What the first release
	# brings is copied there, once; nothing there is overwritten.
	share_directory() {
		own={{ app_root|safe }}/$1
		if [ -d "$own" ] && [ ! -L "$own" ]; then
			if [ ! -e "$state/copied/$1" ]; then
				(cd "$own" && isolated find . ! -type d -exec sh -c "$copy_missing" sh "$shared/$1" {} +)
				isolated sync -f "$shared/$1"
				mkdir -p "$state/copied/$1"
				report changed "Copied what the repository has in $1 to shared/$1"
			fi
			others=$(cd "$own" && isolated find . ! -type d ! -exec cmp -s {} "$shared/$1/{}" ';' -print | sed 's:^\./::' | LC_ALL=C sort | tr '\n' ' ')
			[ -z "$others" ] || report warning "shared/$1 has no such files or other ones, and stays as it is: $others"
		elif [ -e "$own" ] || [ -L "$own" ]; then
			report warning "$1 of the repository is no directory, and gives way to shared/$1"
		fi
		link_shared "$1"
	}

	# Copies files to a directory, where they are missing. Each gets its name when it is whole.
	copy_missing='to=$1
		shift
		for file; do
			if [ ! -e "$to/$file" ] && [ ! -L "$to/$file" ]; then
				mkdir -p "$to/${file%/*}" && cp -pP "$file" "$to/.pystrano-copy" && mv "$to/.pystrano-copy" "$to/$file" || exit
			fi
		done'
{%- if shares_paths %}

	# link_shared PATH: in place of what the repository may hold there.
	link_shared() {
		case $1 in
		*/*)
			parent={{ app_root|safe }}/${1%/*}
			mkdir -p "$parent"
			[ "$(cd -P -- "$parent" && pwd)" = "$(cd -P -- {{ app_root|safe }} && pwd)/${1%/*}" ] ||
				die 3 "${1%/*} of the repository is a link or in one, and $1 cannot be shared there"
			upwards=$(printf '%s\n' "${1%/*}/" | sed 's:[^/]*/:../:g')
			;;
		*) upwards='' ;;
		esac
		rm -rf {{ app_root|safe }}/"${1:?}"
		ln -s "{{ upwards|safe }}${upwards}shared/$1" {{ app_root|safe }}/"$1"
	}
{%- else %}

	# link_shared NAME: in place of what the repository may hold under that name.
	link_shared() {
		rm -rf {{ app_root|safe }}/"${1:?}"
		ln -s "{{ upwards|safe }}shared/$1" {{ app_root|safe }}/"$1"
	}
{%- endif %}
