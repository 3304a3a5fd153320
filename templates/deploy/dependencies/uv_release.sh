	make_venv() {
		find_uv
		run in_release "$uv" venv --quiet "$venv"{% if let Dependencies::UvLock = dependencies %} --relocatable{% endif %} # for the Python that the project asks for
	}
