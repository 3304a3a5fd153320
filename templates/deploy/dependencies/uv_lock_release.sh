	describe_dependencies() {
		cd "$releases/$release"
		python3 -VV
		printf '%s\n' 'uv sync' "$project" "${UV_PYTHON:-}"{% for extra in server.dependency_extras %} --extra {{ extra }}{% endfor %}{% for group in server.dependency_groups %} --group {{ group }}{% endfor %}
		cat .python-version uv.toml "$project/.python-version" "$project/uv.toml" 2>/dev/null || :
		cat "$project/pyproject.toml" "$lock"
		# Other packages that are installed from the checkout belong to this release alone.
		! grep -vE 'editable = "\."' "$lock" | grep -qE 'source = \{ *(editable|directory|path)' || printf '%s\n' "$release"
	}
