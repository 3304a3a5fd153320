	know_hosts() {
		begin known-hosts
{%- for host in known_hosts %}
{%- match host %}
{%- when KnownHost::Scan with { host, port } %}
		scan {{ host }} {{ port.unwrap_or(22) }}
{%- when KnownHost::Pinned with (line) %}
		pin {{ line }}
{%- endmatch %}
{%- endfor %}
		finish_step 'Updated known hosts'
	}
{%- if scans %}

	# scan HOST PORT: asks for the host's keys, unless some are known.
	scan() {
		case $2 in
		22) name=$1 ;;
		*) name="[$1]:$2" ;;
		esac
		if ! as_user ssh-keygen -F "$name" -f "$home/.ssh/known_hosts" >/dev/null 2>&1; then
			lines=$(as_user ssh-keyscan -T 15 -p "$2" -- "$1" 2>/dev/null) || :
			[ -n "$lines" ] || die 1 "ssh-keyscan got no key from $1, port $2"
			printf '%s\n' "$lines" | append known_hosts
			outcome=changed
		fi
	}
{%- endif %}
{%- if pins %}

	# pin LINE: as it is.
	pin() {
		if ! as_user grep -qxF -e "$1" "$home/.ssh/known_hosts" 2>/dev/null; then
			printf '%s\n' "$1" | append known_hosts
			outcome=changed
		fi
	}
{%- endif %}
