	install_dependencies() {
		begin dependencies
{%- if !pip %}
		find_uv
{%- endif %}
		packages=$(packages)
		install_packages
		refuse_links_into_releases
		report changed 'Installed Python dependencies'
	}

	install_packages() { run in_release bash -c "$dependency_install_command"; }
