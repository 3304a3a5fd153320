	# need_program NAME: stops the run when the virtualenv lacks a program that a unit starts.
	need_program() {
		if [ ! -x "$venv/bin/$1" ]{% if uses_launcher %} && ! isolated "$releases/$release/.pystrano/run" sh -c 'command -v "$1"' sh "$1" >/dev/null 2>&1{% endif %}; then
			die 3 "there is no bin/$1 in the virtualenv; add $1 to "{{ dependency_source }}
		fi
	}
