	# install_packages: each has the SHA-256 that was resolved for it.
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
		die "$1" "if its packages are for another Python than $("$venv/bin/python" -V 2>&1), $(uname -m): set python and platform to those of this host"
	}
