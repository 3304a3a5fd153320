	make_venv() {
		find_uv
		run in_release "$uv" venv --quiet "$venv"{% if let Dependencies::UvLock = dependencies %} --relocatable{% endif %} # with the Python that the project requires
	}
