	# get_dependencies unpacks the dependencies of the payload to $dependencies, unless they are installed
	# already.
	get_dependencies() {
		dependencies=$releases/$release/.pystrano/dependencies
		[ ! -d "$dependencies" ] || return 0
		mkdir "$dependencies"
		ask_part dependencies.tar
		get_part dependencies.tar "$dependencies_sha256" "$dependencies_size"
		isolated tar -xf "$state/part" -C "$dependencies"
		rm -f "$state/part"
	}
