	# report_system VENV prints the system, for a bug report.
	report_system() {
		fact system "os $(sed -n 's/^PRETTY_NAME="\(.*\)"$/\1/p' /etc/os-release), $(uname -srm)"
		for program in systemctl sudo python3 git curl; do
			version=$(isolated "$program" --version 2>&1) || version='missing'
			fact system "$program $(printf '%s\n' "$version" | sed -n 1p)"
		done
		fact system "project $(mount_of "$root")"
		fact system "virtualenv $(mount_of "$1")"
		fact system "space $(df --human-readable --output=avail,pcent "$root" 2>&1 | sed -n 2p)"
	}

	mount_of() {
		findmnt --noheadings --output TARGET,FSTYPE,OPTIONS --target "$1" 2>&1 | tr -s ' '
	}