	# check_host stops the run, before anything is changed, if something cannot work on this host.
	check_host() {
		begin host
		command -v apt-get >/dev/null || refuse_host 'there is no apt-get: servers run Debian 12 or later, or Ubuntu 22.04 or later'
{%- if !units.is_empty() %}
		command -v systemctl >/dev/null || refuse_host 'there is no systemd here, which runs the app'
		version=$(systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
		[ "${version:-247}" -ge 247 ] || refuse_host "systemd $version is too old: servers run Debian 12 or later, or Ubuntu 22.04 or later"
{%- endif %}
		check_mount "$root" project_root
		check_mount "$venv" venv_dir
	}

	# check_mount PATH FIELD: programs can be executed there.
	check_mount() {
		place=$1
		while [ ! -e "$place" ]; do
			place=${place%/*}
			place=${place:-/}
		done
		case ,$(findmnt --noheadings --output OPTIONS --target "$place" 2>/dev/null), in
		*,noexec,*) refuse_host "$1 is on a file system that is mounted noexec ($place), where no program starts; name another $2, or mount it with exec" ;;
		esac
	}

	# refuse_host REASON prints the system as well, to be pasted into a bug report.
	refuse_host() {
		report_system "$venv"
		die 2 "$1"
	}

{% include "parts/system.sh" %}

	# fact NAME VALUE prints a line of it.
	fact() { run printf '%s\n' "$2"; }
