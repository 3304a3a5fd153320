	# is_packaged: the lock installs the project itself, too, by its place in the release.
	is_packaged() { grep -qE 'source = \{ *editable = "\."' "$releases/$release/$lock"; }

	# install_project: the release gets the virtualenv by hard links, and the project in it.
	install_project() {
		ln -s "../../../venvs/${venv##*/}" "$releases/$release/.pystrano/packages"
		rm -rf "$root/venvs/$release"
		cp -al "$venv" "$root/venvs/$release"
		venv=$root/venvs/$release
		find_uv
		sync_packages
		isolated sync -f "$venv"
	}
