	# in_release COMMAND: in the directory of the release, with the virtualenv first on PATH, and
	# without the env file.
	in_release() (
		cd "$releases/$release" || exit
		export VIRTUAL_ENV="$venv" PATH="$venv/bin:$PATH"
		export PIP_REQUIRE_VIRTUALENV=1 # a pip from elsewhere refuses
		exec "$@"
	)
