	make_venv() {
		run python3 -m venv "$venv"
	}

	describe_dependencies() {
		python3 -VV
		printf '%s\n' 'pip install'
		cat "$releases/$release/$dependency_file"
		names_packages_only || printf '%s\n' "$release"
	}
