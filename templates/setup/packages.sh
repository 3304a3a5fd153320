	install_packages() {
		begin packages
		missing=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Package}:${Architecture} ${Package}=${Version} ${Package}:${Architecture}=${Version} ${Provides}\n' |
			awk -v wanted="$packages" "$not_installed")
		if [ -n "$missing" ]; then
			set --
			for package in $missing; do
				set -- "$@" "$package"
			done
			apt update
			# Packages' questions get their defaults, files in /etc that were changed are kept, and
			# needrestart restarts nothing.
			apt install -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -- "$@"
			outcome=changed
		fi
		finish_step 'Installed system packages'
	}

	# Prints those of the wanted packages that are neither installed nor provided by one that is.
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

	# apt COMMAND: waits up to ten minutes for others to let go of the locks of apt. What it
	# prints is kept until it ends: a write to a lost connection would kill it half done.
	apt() {
		deadline=$(($(date +%s) + 600))
		until output=$(isolated env LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
			apt-get -q -o DPkg::Lock::Timeout=60 "$@" 2>&1); do
			case $output in
			*'Could not get lock'*) [ "$(date +%s)" -ge "$deadline" ] || {
				sleep 3
				continue
			} ;;
			esac
			run printf '%s\n' "$output"
			die 1 "apt-get $1 failed"
		done
	}
