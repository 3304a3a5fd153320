	install_packages() {
		run in_release "$uv" pip install --compile-bytecode --python "$venv/bin/python" -r "$dependency_file"
		refuse_links_into_releases
	}
