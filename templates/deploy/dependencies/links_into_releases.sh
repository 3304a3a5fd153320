	# refuse_links_into_releases: what is installed from a release itself would break once that is
	# removed. The current release gets its own packages back.
	refuse_links_into_releases() {
		leading=$(isolated grep -lsF -e "$releases/" -e "$(cd "$releases" && pwd -P)/" "$venv"/lib/python*/site-packages/*.pth \
			"$venv"/lib/python*/site-packages/__editable__* "$venv"/lib/python*/site-packages/*-info/direct_url.json) || :
		[ -n "$leading" ] || return 0
		[ -z "$current" ] || reinstall || report warning "Could not install what $current needs again; it runs, and may not start again"
		die 3 "the virtualenv that releases share must not point into one of them: $(printf '%s\n' "$leading" | sed -n 1p); set venv_mode: release"
	}

	# reinstall installs the dependencies of the current release again.
	reinstall() (
		release=$current
		install_packages
	)
