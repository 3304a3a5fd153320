	# refuse_links_into_releases: what was installed from a release itself would break when it goes. The
	# release that runs gets back what it installs.
	refuse_links_into_releases() {
		leading=$(isolated grep -lsF -e "$releases/" -e "$(cd "$releases" && pwd -P)/" "$venv"/lib/python*/site-packages/*.pth \
			"$venv"/lib/python*/site-packages/__editable__* "$venv"/lib/python*/site-packages/*-info/direct_url.json) || :
		[ -n "$leading" ] || return 0
		[ -z "$current" ] || reinstall || report warning "Could not install what $current needs again; it runs, and may not start again"
		die 3 "the virtualenv that releases share must not lead into one of them: $(printf '%s\n' "$leading" | sed -n 1p); set venv_mode: release"
	}

	# reinstall what the release that runs needs.
	reinstall() (
		release=$current
		install_packages
	)
