	make_venv() {
		run {{ python|safe }} -m venv "$venv"
{%- if !server.dependency_groups.is_empty() %}
		pip_install "$venv" --upgrade 'pip>=25.1' # the first version with --group
{%- endif %}
	}

	# pip installs the code of this release, so the virtualenv is not shared.
	describe_dependencies() {
		printf '%s\n' "$release"
	}

	install_packages() {
		pip_install "$venv" "$releases/$release/"{{ project }}
{%- for group in server.dependency_groups %} --group "$releases/$release/$dependency_file:"{{ group }}{% endfor %}
	}
