	# in_release COMMAND: in the directory of the release, with the virtualenv and uv first on PATH,
	# and without the env file.
	in_release() (
		cd "$releases/$release" || exit
		export VIRTUAL_ENV="$venv" PATH="$venv/bin:$releases/$release/.pystrano/bin:$PATH"
		export UV_PROJECT_ENVIRONMENT="$venv"
		export PIP_REQUIRE_VIRTUALENV=1 # a pip from elsewhere refuses
		exec "$@"
	)
