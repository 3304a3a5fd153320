	link_shared_paths() {
		begin shared
{%- for path in server.shared_dirs %}
		mkdir -p "$shared/"{{ path }}
		share_directory {{ path }}
{%- endfor %}
{%- for path in server.shared_files %}
		share_file {{ path }}
{%- endfor %}
		report changed 'Linked shared paths into release'
	}
{%- if !server.shared_files.is_empty() %}

	# share_file PATH links PATH of the release to the file in shared. If there is none yet, the file of
	# the release is moved there.
	share_file() {
		own={{ app_root|safe }}/$1
		[ ! -d "$own" ] || [ -L "$own" ] || die 3 "$1 of the repository is a directory; correct shared_files"
		missing=''
		if [ ! -e "$shared/$1" ] && [ ! -L "$shared/$1" ]; then
			if [ ! -f "$own" ] || [ -L "$own" ]; then
				die 3 "there is no $shared/$1, which shared_files names; put it there"
			fi
			missing=yes
		fi
		others=''
		[ ! -e "$own" ] || others=$(cd {{ app_root|safe }} && isolated sh -c "$share_files" sh "$shared" '' "$missing" "$1")
		if [ -n "$others" ]; then
			[ -z "$missing" ] || die 3 "$1 of the repository cannot be copied to shared/$1: a link or a file is in the way"
			report warning "$1 of the repository is replaced by shared/$1, which differs"
		elif [ -n "$missing" ]; then
			isolated sync "$shared/$1"
			report changed "Copied $1 of the repository to shared/$1"
		fi
		link_shared "$1"
	}
{%- endif %}
