	make_venv() {
{%- if pip %}
		run {{ python|safe }} -m venv "$venv"
{%- else %}
		run in_release "$uv" venv --quiet --offline "$venv" # with the Python that the project requires
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

	# install_project: if the app is a package, hard-links the shared virtualenv into the release and
	# installs the project's wheel there.
	install_project() {
		wheels=$releases/$release/.pystrano/wheels
		[ -d "$wheels" ] || return 0
		ln -s "../../../venvs/${venv##*/}" "$releases/$release/.pystrano/packages"
		rm -rf "$root/venvs/$release"
		cp -al "$venv" "$root/venvs/$release"
		# Scripts in bin name the path of their virtualenv.
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
