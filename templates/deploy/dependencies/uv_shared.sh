	install_dependencies() {
		begin dependencies
		need_dependency_file
		find_uv
		refuse_local_packages
		packages=$(packages)
		install_packages
		refuse_links_into_releases
		report changed 'Installed Python dependencies'
	}
