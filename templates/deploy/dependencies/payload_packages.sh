	# install_packages checks each wheel against the SHA-256 it was resolved to.
	install_packages() {
		get_dependencies
{%- if pip %}
		pip_install "$venv" --no-index --find-links "$dependencies/wheels" --require-hashes -r "$dependencies/requirements.txt" || misfit "$?"
{%- else %}
		run in_release "$uv" --no-config pip {% if server.dependency_file.uv_lock_directory().is_some() %}sync{% else %}install -r{% endif %} "$dependencies/requirements.txt" --offline --no-index --find-links "$dependencies/wheels" \
			--require-hashes --compile-bytecode --python "$venv/bin/python" || misfit "$?"
{%- endif %}
		rm -rf "$dependencies"
	}

	misfit() {
{%- if let Some(payload) = payload %}
		made_for={{ payload.target() }}
		die "$1" "the packages of the payload are for $made_for, and this host has $("$venv/bin/python" -V 2>&1) on $(uname -m); where they do not fit, set python and platform"
{%- endif %}
	}
