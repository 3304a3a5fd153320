	make_venv() {
		run {{ python|safe }} -m venv "$venv"
	}

	describe_dependencies() {
		{{ python|safe }} -VV
		printf '%s\n' 'pip install'
		cat "$releases/$release/$dependency_file"
		names_packages_only || printf '%s\n' "$release"
	}
