	install_packages() {
		run in_release "$uv" pip install --compile-bytecode --python "$venv/bin/python" -r {{ dependency_word|safe }}{% for extra in server.dependency_extras %} --extra {{ extra }}{% endfor %}{% for group in server.dependency_groups %} --group {{ group }}{% endfor %}
	}
