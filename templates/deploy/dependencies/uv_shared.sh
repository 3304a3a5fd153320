	install_dependencies() {
		begin dependencies
		need_dependency_file
		find_uv
		refuse_local_packages
		packages=$(packages)
		install_packages
		report changed 'Installed Python dependencies'
	}
