	make_venv() {
		find_uv
		run in_release "$uv" venv --quiet "$venv" # for the Python that the project asks for
	}
