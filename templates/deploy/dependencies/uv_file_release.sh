	describe_dependencies() {
		cd {{ app_root|safe }}
		python3 -VV
		printf '%s\n' 'uv pip install' "${UV_PYTHON:-}"{% for extra in server.dependency_extras %} --extra {{ extra }}{% endfor %}{% for group in server.dependency_groups %} --group {{ group }}{% endfor %}
		cat .python-version uv.toml 2>/dev/null || :
		cat "$releases/$release/$dependency_file"
		names_packages_only || printf '%s\n' "$release"
	}

	install_packages() {
		run in_release "$uv" pip install --compile-bytecode --python "$venv/bin/python" -r {{ dependency_word|safe }}{% for extra in server.dependency_extras %} --extra {{ extra }}{% endfor %}{% for group in server.dependency_groups %} --group {{ group }}{% endfor %}
	}
