	# print_claims prints what this app and environment has on the host, in the format of its record.
	print_claims() {
		printf '%s\n' \
			"user $user" \
			"root $root" \
			"venv $venv"
{%- if !units.is_empty() %}
		for unit in $units; do
			printf '%s\n' "unit $unit"
		done
{%- endif %}
{%- if !services.is_empty() %}
		printf '%s\n' "sudo $sudo_file"
{%- endif %}
{%- if deploy_key.is_some() %}
		printf '%s\n' "deploy-key "{{ deploy_key_name }}
{%- endif %}
{%- for secret in secrets %}
		printf '%s\n' "secret $root/shared/"{{ secret.name }}
{%- endfor %}
	}

	# own_things: nothing is changed before it is certain that it belongs to no other app, and nothing is
	# created before the record says whose it is.
	own_things() {
		begin ownership
		mine=$(cat "$record" 2>/dev/null) || :
		others=$(find "$records" -type f ! -path "$record" -exec cat {} +)
		check_identity
		check_path root "$root" project_root
		check_path venv "$venv" venv_dir
		check_project_root
		check_virtualenv
{%- if !units.is_empty() %}
		for unit in $units; do
			check_unit "$unit"
		done
{%- endif %}
{%- for (unit, alias) in aliases %}
		check_alias {{ unit }} {{ alias }}
{%- endfor %}
{%- if !services.is_empty() %}
		find_owner sudo "$sudo_file"
		[ -z "$owner" ] || die 2 "$sudo_file belongs to $owner on this host"
{%- endif %}
{%- if interpreter.is_some() %}
		check_python
{%- endif %}
		stage=working
		known=$(grep -v -e '^#' -e '^user ' -e '^root ' -e '^venv ' "$record" 2>/dev/null) || :
		write_record "$(
			print_claims
			printf '%s\n' "$known"
		)"
		finish_step "Recorded what $app has on this host"
	}

	# recorded KIND VALUE: an earlier setup of this app created or adopted it.
	recorded() { has_line "$mine" "$1 $2"; }

	# has_line TEXT LINE
	has_line() {
		case $line_break$1$line_break in
		*"$line_break$2$line_break"*) return 0 ;;
		esac
		return 1
	}

	line_break='
'

	# write_record LINES replaces the record atomically, without duplicate lines.
	write_record() {
		new=$state/new
		{
			printf '%s\n' "# What $app has on this host. setup.sh writes it; setup.sh and deploy.sh of other apps leave these alone."
			printf '%s\n' "$1" | awk 'NF && !seen[$0]++'
		} >"$new"
		if cmp -s "$new" "$record"; then
			rm "$new"
		else
			mkdir -p "${record%/*}"
			mv -f "$new" "$record"
			outcome=changed
		fi
		new=''
	}

	# check_identity: a different project may have the same app name.
	check_identity() {
		before=$(sed -n 's/^root //p' "$record" 2>/dev/null) || :
		if [ -n "$before" ] && [ "$before" != "$root" ] && [ -e "$before/releases" ]; then
			die 2 "$app is in $before on this host, not in $root; if it is another project, rename one of them; if it moves, remove $record"
		fi
	}

	# is_in PATH DIRECTORY...: PATH is in one of them, as written or with links resolved.
	is_in() (
		! is_below "$@" || exit 0
		IFS=$line_break
		# shellcheck disable=SC2046 # a name on each line
		is_below $(realpath -m -- "$@")
	)

	# is_below PATH DIRECTORY...: PATH is in one of them, as written.
	is_below() {
		path=$1/
		shift
		for directory; do
			case $path in
			"$directory"/*) return 0 ;;
			esac
		done
		return 1
	}

	# is_cleared_by PATH KIND OTHER: deploys of OTHER, a root or venv, clean up or replace PATH.
	is_cleared_by() {
		case $2 in
		root) is_in "$1" "$3/releases" "$3/venvs" "$3/shared" "$3/.pystrano" ;;
		*) is_in "$1" "$3" ;;
		esac
	}

	# check_path KIND PATH FIELD: no other app has PATH or cleans it up, and it contains nothing of
	# another app that this app would clean up.
	check_path() {
		while read -r kind other; do
			case $kind in
			root | venv) ;;
			*) continue ;;
			esac
			if [ "$other" = "$2" ] || [ -n "$(find -L "$other" -maxdepth 0 -samefile "$2" 2>/dev/null)" ]; then
				relation="$2 belongs to"
			elif is_cleared_by "$2" "$kind" "$other"; then
				relation="$2 is in $other, which belongs to"
			elif is_cleared_by "$other" "$1" "$2"; then
				relation="$2 has $other in it, which belongs to"
			else
				continue
			fi
			die 2 "$relation $(owner_of "$kind" "$other") on this host; give $app a $3 of its own"
		done <<EOF
$others
EOF
	}

	# check_project_root: the directory does not belong to another deploy tool.
	check_project_root() {
		if ! recorded root "$root"; then
			for name in .dep repo/HEAD scm/HEAD; do
				[ ! -e "$root/$name" ] ||
					die 2 "$root belongs to another deploy tool, which made $root/$name; name another project_root, or move that away"
			done
		fi
	}

	# check_virtualenv: the path is free, a virtualenv, or a link that pystrano made.
	check_virtualenv() {
		link=$(readlink "$venv") || link=''
		case $link in
		"$root/current/.pystrano/venv") ;;
		*/current/.pystrano/venv) die 2 "$venv belongs to another project, it leads to $(printf %s "$link" | LC_ALL=C tr -c '\040-\176' '?'); name another venv_dir" ;;
		esac
		if ! recorded venv "$venv" && [ ! -e "$venv/pyvenv.cfg" ] && [ -n "$(find "$venv" -prune -type d ! -empty 2>/dev/null)" ]; then
			die 2 "$venv is not a virtualenv, and not empty; name another venv_dir, or move it away"
		fi
	}
{%- if !units.is_empty() %}

	# find_owner KIND VALUE sets $owner to the other app and environment that has it, if any.
	find_owner() {
		owner=''
		! has_line "$others" "$1 $2" || owner=$(owner_of "$1" "$2")
	}

	# check_unit UNIT: the name is free, or the unit belongs to this app.
	check_unit() {
		file=/etc/systemd/system/$1
		find_owner unit "$1"
		[ -z "$owner" ] || die 2 "$1 belongs to $owner on this host; give the service_file of $app another name"
		[ ! -L "$file" ] || die 2 "$file is a link to $(readlink "$file"), as of a masked unit or another unit's name; remove it first, or give service_file another name"
		recorded unit "$1" || check_new_unit "$1"
	}

	# check_new_unit UNIT: the host has no unit of that name, or one from an earlier setup.
	check_new_unit() {
		found=$(systemctl show --property=Id --property=FragmentPath -- "$1")
		name=$(printf '%s\n' "$found" | sed -n 's/^Id=//p')
		[ "${name:-$1}" = "$1" ] ||
			die 2 "$1 is another name of $name, a unit of this host; give service_file another name"
		path=$(printf '%s\n' "$found" | sed -n 's/^FragmentPath=//p')
		case $path in
		'' | "$file") ;;
		*) die 2 "$1 is a unit of this host, $path; give service_file another name" ;;
		esac
		# Units of an earlier setup, or of the Python tool, contain the path of the project.
		if [ -s "$file" ] && ! sed 's|$|/|' "$file" | grep -qF -e "$root/" && ! print_unit "$1" | cmp -s - "$file"; then
			die 2 "$file does not belong to $app: it does not contain $root; give service_file another name, or remove that unit first"
		fi
	}
{%- if !aliases.is_empty() %}

	# check_alias UNIT NAME: an alias from its [Install] is free, or is a link to it already.
	check_alias() {
		find_owner unit "$2"
		[ -z "$owner" ] || die 2 "the Alias $2 of $1 belongs to $owner on this host; give it another name"
		found=$(systemctl show --property=Id --property=FragmentPath -- "$2")
		case $found in
		*"Id=$1"*) ;;
		*FragmentPath=/*) die 2 "the Alias $2 of $1 is a unit of this host, $(printf '%s\n' "$found" | sed -n 's/^FragmentPath=//p'); give it another name" ;;
		esac
	}
{%- endif %}
{%- endif %}
