	link_media() {
		begin media
		mkdir -p "$shared/media"
		code=$(cd {{ app_root|safe }} && find media '(' -name '*.py' -o -name '*.pyc' -o -name '*.pyx' -o -name '*.so' ')' 2>/dev/null | LC_ALL=C sort | sed -n 1p)
		[ -z "$code" ] || die 3 "media of the repository holds code, $code, and media of a release is where uploads are: shared/media; rename the directory"
		share_directory media
		report changed 'Linked shared media'
	}

	# share_directory NAME links NAME of the release to the directory in shared. Files that the first
	# release has there are copied to shared, once; nothing in shared is overwritten.
	share_directory() {
		own={{ app_root|safe }}/$1
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
{%- if shares_paths %}

	# link_shared PATH replaces what the repository may have there by a link into shared.
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
		ln -s "{{ root_from_app|safe }}${upwards}shared/$1" {{ app_root|safe }}/"$1"
	}
{%- else %}

	# link_shared NAME replaces what the repository may have there by a link into shared.
	link_shared() {
		rm -rf {{ app_root|safe }}/"${1:?}"
		ln -s "{{ root_from_app|safe }}shared/$1" {{ app_root|safe }}/"$1"
	}
{%- endif %}
