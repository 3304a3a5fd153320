	make_venv() {
{%- if pip %}
		run {{ python|safe }} -m venv "$venv"
{%- else %}
		run in_release "$uv" venv --quiet --offline "$venv" # for the Python that the project asks for
{%- endif %}
	}

	describe_dependencies() {
{%- if pip %}
		{{ python|safe }} -VV
{%- else %}
		cd {{ app_root|safe }}
		python3 -VV
		printf '%s\n' "${UV_PYTHON:-}"
		cat .python-version 2>/dev/null || :
		grep -hs '^requires-python' pyproject.toml || :
{%- endif %}
		printf '%s\n' "$dependencies_sha256"
	}

	# install_project: where the app is a package, the release gets the virtualenv by hard links, and in
	# it the wheel of the project.
	install_project() {
		wheels=$releases/$release/.pystrano/wheels
		[ -d "$wheels" ] || return 0
		ln -s "../../../venvs/${venv##*/}" "$releases/$release/.pystrano/packages"
		rm -rf "$root/venvs/$release"
		cp -al "$venv" "$root/venvs/$release"
		# Its programs name its place.
		isolated grep -rlIZF -e "/venvs/${venv##*/}" "$root/venvs/$release/bin" | xargs -0 -r sed -i "s|/venvs/${venv##*/}|/venvs/$release|"
		venv=$root/venvs/$release
{%- if pip %}
		pip_install "$venv" --no-index --no-deps "$wheels"/*.whl
{%- else %}
		run in_release "$uv" --no-config pip install --offline --no-index --no-deps --compile-bytecode --python "$venv/bin/python" "$wheels"/*.whl
{%- endif %}
		rm -rf "$wheels"
		isolated sync -f "$venv"
	}
