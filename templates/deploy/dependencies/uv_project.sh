	# is_packaged: the lock file installs the project itself, too, from its directory in the release.
	is_packaged() { grep -qE 'source = \{ *editable = "\."' "$releases/$release/$lock"; }

	# install_project hard-links the shared virtualenv into the release and installs the project there.
	install_project() {
		ln -s "../../../venvs/${venv##*/}" "$releases/$release/.pystrano/packages"
		rm -rf "$root/venvs/$release"
		cp -al "$venv" "$root/venvs/$release"
		venv=$root/venvs/$release
		find_uv
		sync_packages
		isolated sync -f "$venv"
	}
