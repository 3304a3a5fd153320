	# refuse_local_packages: packages installed from the release itself would make the shared virtualenv
	# point into it, or change the code of the app that is running.
	refuse_local_packages() {
		local_package=$(locked_packages | grep -E '^(-e |\.|file:|[^ ]* @ (file:|\.))' | grep -vE '\.(whl|zip|tar|tgz|gz|bz2|xz)( |$)' | sed -n 1p)
		[ -z "$local_package" ] || die 3 "the virtualenv that releases share must not point into one of them, and $lock installs from it: $local_package; set venv_mode: release"
	}
