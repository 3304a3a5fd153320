	# need_dependency_file: uv.lock of a workspace is above its members; uv finds it there.
	need_dependency_file() {
		project=$(dirname "$dependency_file") lock=$dependency_file
		while [ ! -f "$releases/$release/$lock" ]; do
			directory=$(dirname "$lock")
			[ "$directory" != . ] || die 3 "the repository has no $dependency_file, nor a uv.lock above it; correct dependency_file"
			lock=$(dirname "$directory")/uv.lock
		done
	}

	install_packages() {
		[ -n "$(locked_packages)" ] || ! grep -q '^members = ' "$releases/$release/$lock" ||
			die 3 "uv installs nothing for $project, on which no member of the workspace depends; set dependency_file to a member's directory and uv.lock, as in services/api/uv.lock"
{%- if release_venv %}
		set --
		! is_packaged || set -- --no-install-workspace
{%- endif %}
		sync_packages --compile-bytecode{% if release_venv %} "$@"{% endif %}
		if ! grep -q 'source = { git' "$releases/$release/$lock"; then
			check_lock
		fi
	}

	# sync_packages OPTIONS installs what the lock file has for the app.
	sync_packages() {
		run in_release "$uv" --project {{ project_word|safe }} sync --frozen --no-dev{% for extra in server.dependency_extras %} --extra {{ extra }}{% endfor %}{% for group in server.dependency_groups %} --group {{ group }}{% endfor %} "$@"
	}

	# locked_packages prints what uv will install, or "?" if this version of uv cannot list it.
	locked_packages() {
		locked=$(isolated "$uv" --project "$releases/$release/$project" export --frozen --no-dev --no-hashes{% for extra in server.dependency_extras %} --extra {{ extra }}{% endfor %}{% for group in server.dependency_groups %} --group {{ group }}{% endfor %} 2>/dev/null) || locked='?'
		printf '%s\n' "$locked" | sed '/^ *#/d; /^$/d'
	}

	# check_lock warns when uv.lock does not match pyproject.toml: uv installs what is locked.
	check_lock() {
		differs=0
		isolated env UV_PROJECT_ENVIRONMENT="$venv" "$uv" --project "$releases/$release/$project" lock --check --offline >/dev/null 2>&1 ||
			differs=$?
		[ "$differs" != 1 ] || report warning "$lock is older than pyproject.toml, and was installed as it is; run uv lock"
	}
