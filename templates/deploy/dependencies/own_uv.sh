	# find_own_uv: a power failure may have left an empty file.
	find_own_uv() {
		uv=$state/uv/bin/uv
		if [ -z "$(isolated "$uv" --version 2>/dev/null)" ]; then
			run python3 -m venv --clear "$state/uv"
{%- if payload_packages %}
			get_dependencies
			pip_install "$state/uv" --no-index --find-links "$dependencies/wheels" uv
{%- else %}
			pip_install "$state/uv" uv
{%- endif %}
		fi
	}
