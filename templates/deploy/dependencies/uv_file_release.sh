	describe_dependencies() {
		cd "$releases/$release"
		python3 -VV
		printf '%s\n' 'uv pip install'
		cat .python-version uv.toml 2>/dev/null || :
		cat "$dependency_file"
		names_packages_only || printf '%s\n' "$release"
	}

	install_packages() {
		run in_release "$uv" pip install --compile-bytecode --python "$venv/bin/python" -r "$dependency_file"
	}
