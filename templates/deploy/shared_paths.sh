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

	# share_file PATH: the release gets a link to the one in shared. If there is none, that of the
	# release becomes it.
	share_file() {
		own={{ app_root|safe }}/$1
		[ ! -d "$own" ] || [ -L "$own" ] || die 3 "$1 of the repository is a directory; correct shared_files"
		if [ ! -e "$shared/$1" ] && [ ! -L "$shared/$1" ]; then
			if [ ! -f "$own" ] || [ -L "$own" ]; then
				die 3 "there is no $shared/$1, which shared_files names; put it there"
			fi
			mkdir -p "$(dirname -- "$shared/$1")"
			cp -p "$own" "$shared/.pystrano-copy"
			isolated sync "$shared/.pystrano-copy"
			mv "$shared/.pystrano-copy" "$shared/$1"
			report changed "Copied $1 of the repository to shared/$1"
		elif [ -e "$own" ] && ! isolated cmp -s "$own" "$shared/$1"; then
			report warning "$1 of the repository gives way to shared/$1, which differs"
		fi
		link_shared "$1"
	}
{%- endif %}
