	need_dependency_file() {
		if [ ! -f "$releases/$release/$dependency_file" ] || [ ! -r "$releases/$release/$dependency_file" ]; then
			die 3 "the repository has no $dependency_file that can be read; correct dependency_file"
		fi
	}
