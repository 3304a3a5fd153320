	install_packages() {
		begin packages
		updated=''
{%- if payload.is_some() %}
		[ -z "$payload" ] || offer_debs
{%- endif %}
		install_missing --no-install-recommends "$base_packages"
{%- if !system_packages.is_empty() %}
		install_missing --install-recommends "$system_packages"
{%- endif %}
{%- if python_is_named %}
		has_python || install_missing --no-install-recommends "$python $python-venv"
{%- endif %}
{%- if payload.is_some() %}
		unset APT_CONFIG
		rm -rf "$state/debs"
{%- endif %}
		finish_step 'Installed system packages'
	}

	# install_missing OPTION PACKAGES installs those that are missing.
	install_missing() {
		missing=$(missing "$2")
		if [ -n "$missing" ]; then
			set -- "$1" --
			for package in $missing; do
				set -- "$@" "$package"
			done
			[ -n "$updated" ] || apt update
			updated=yes
			# Configuration questions get their defaults, changed files in /etc are kept, and needrestart restarts
			# nothing.
			apt install -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
			outcome=changed
		fi
	}

	# missing PACKAGES prints those that are not installed.
	missing() {
		dpkg-query -W -f '${db:Status-Status} ${Package} ${Package}:${Architecture} ${Package}=${Version} ${Package}:${Architecture}=${Version} ${Provides}\n' |
			awk -v wanted="$1" "$not_installed"
	}

	# Prints the wanted packages that are neither installed nor provided by an installed one.
	not_installed='
		$1 == "installed" {
			gsub(",", " ")
			for (i = 2; i <= NF; i++)
				have[$i]
		}
		END {
			count = split(wanted, names, " ")
			for (i = 1; i <= count; i++) {
				name = names[i]
				sub("/.*", "", name) # name/release
				if (!(name in have))
					print names[i]
			}
		}
	'

	# missing_here prints all packages that are missing.
	missing_here() {
		missing "$base_packages{% if !system_packages.is_empty() %} $system_packages{% endif %}"
{%- if python_is_named %}
		has_python || missing "$python $python-venv"
{%- endif %}
	}

	# lacking prints the command that installs them.
	lacking() {
		printf 'what this host lacks: apt-get install %s' "$(missing_here | paste -s -d ' ' -)"
	}

	# apt COMMAND waits up to ten minutes for the locks of apt. Its output is kept until it ends: a write
	# to a lost connection would kill it halfway.
	apt() {
		read_clock
		deadline=$((now + 600))
		until message=$(isolated env LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
			apt-get -q -o DPkg::Lock::Timeout=60 "$@" 2>&1); do
			case $message in
			*'Could not get lock'*)
				read_clock
				if [ "$now" -lt "$deadline" ]; then
					sleep 3
					continue
				fi
				;;
			esac
			run printf '%s\n' "$message"
			die 1 "apt-get $1 failed; $(lacking)"
		done
	}
