	# refuse_links_into_releases: what was installed from a release itself would break when it goes.
	refuse_links_into_releases() {
		leading=$(isolated grep -lsF -e "$releases/" -e "$(cd "$releases" && pwd -P)/" "$venv"/lib/python*/site-packages/*.pth \
			"$venv"/lib/python*/site-packages/__editable__* "$venv"/lib/python*/site-packages/*-info/direct_url.json) || :
		[ -z "$leading" ] || die 3 "the virtualenv that releases share must not lead into one of them: $(printf '%s\n' "$leading" | sed -n 1p); set venv_mode: release"
	}
