	# in_release COMMAND: in the directory of the release.
	in_release() (
		cd "$releases/$release" || exit
{%- if uv_lock %}
		export UV_PROJECT_ENVIRONMENT="$venv"
{%- endif %}
		exec "$@"
	)
{%- if reads_dependency_file && (pip || release_venv) %}

	# A line of a dependency file that tells by itself what is installed: a package by its name, an
	# address with a hash, an option for where packages come from.
	by_name='[A-Za-z0-9][A-Za-z0-9._-]*[[:space:]]*(\[[^]/@$]*\])?[[:space:]]*([(<>=!~;][^/@$]*)?'
	by_hash='([A-Za-z0-9][^/@$]*@[[:space:]]*)?((git|hg)\+)?[a-z]+://[^$[:space:]]*[@/:=][0-9a-f]{40}[^$]*'
	from_index='(-i|--(hash|(extra-)?index-url|trusted-host|no-binary|only-binary|prefer-binary|pre|require-hashes))([= ][^$]*)?'

	# reads_more FILE: some line is another one: a file, a branch, a variable. What it names may be
	# something else tomorrow.
	reads_more() {
		# A slash makes the name of a local archive what it is: a path.
		sed -E 's/(^|[[:space:]])#.*//; s/\\$//; s/\.(whl|zip|tar|tgz|gz|tbz|bz2|tlz|txz|xz|lzma)([[:space:][;]|$)/\/&/' "$1" |
			grep -qvE "^[[:space:]]*($by_name|$by_hash|$from_index)?[[:space:]]*$"
	}
{%- endif %}
{%- if release_venv %}

	# find_venv sets $venv to the virtualenv of these dependencies. Releases share one only where
	# its content follows from the text that is hashed here.
	find_venv() {
		key=$(
			cd "$releases/$release"
			{
				python3 -VV
{%- if !pip %}
				cat .python-version uv.toml 2>/dev/null || :
{%- endif %}
{%- if server.dependency_install_command.is_some() %}
				printf '%s\n' "$release" # nobody knows what the command reads
{%- else if uv_lock %}
				printf '%s\n' 'uv sync'
				cat pyproject.toml "$dependency_file"
				# What is installed from the checkout belongs to this release alone.
				! grep -qE 'source = \{ *(editable|directory|path)' "$dependency_file" || printf '%s\n' "$release"
{%- else %}
				printf '%s\n' '{{ installer|safe }}'
				cat "$dependency_file"
{%- if describes_project %}
				printf '%s\n' "$release" # it names more files of the release
{%- else %}
				! reads_more "$dependency_file" || printf '%s\n' "$release"
{%- endif %}
{%- endif %}
			} | sha256sum
		)
		venv=$root/venvs/$(printf %.16s "$key")
	}
{%- else if asks_pip %}

	# installed prints what pip's answer follows from: what is wanted, the interpreter, the packages
	# that are there, and pip's settings.
	installed() {
		{
			cat "$releases/$release/$dependency_file" "$venv/pyvenv.cfg"
			find -L "$venv/bin/python" "$venv"/lib/python*/site-packages -maxdepth 1 \
				\( -name python -o -name '*-info' \) -printf '%p %i %s %T@\n'
			pip_settings
		} 2>/dev/null | LC_ALL=C sort | sha256sum
	}

	# pip_settings prints those of the environment and of pip's files.
	pip_settings() {
		env | sed -n '/^PIP_/p'
		cat /etc/pip.conf /etc/xdg/pip/pip.conf ~/.pip/pip.conf ~/.config/pip/pip.conf "$venv/pip.conf" 2>/dev/null
	}

	# Settings that do not change pip's answer: where packages come from, and how they are fetched.
	harmless='(extra-)?index-url|no-index|find-links|trusted-host|(client-)?cert|proxy'
	harmless="$harmless|(default-)?timeout|retries|no-(cache-dir|input)|disable-pip-version-check"

	# depends_on_more: pip's answer may follow from more than is seen here: packages of the system,
	# other files, what other settings name.
	depends_on_more() {
		! grep -qs '^include-system-site-packages = false' "$venv/pyvenv.cfg" ||
			reads_more "$releases/$release/$dependency_file" ||
			pip_settings | sed 's/^PIP_//' | tr A-Z_ a-z- | grep -qvE "^ *(\$|[[#;]|($harmless) *=)"
	}
{%- endif %}
{%- if needs_uv %}

	# find_uv sets $uv; it is installed where it is missing.
	find_uv() {
{%- if !release_venv %}
		uv=$venv/bin/uv
		[ -x "$uv" ] || [ ! -x "$venv/bin/pip" ] ||
			run in_release "$venv/bin/pip" install --disable-pip-version-check --no-input uv
		[ ! -x "$uv" ] || return 0
		# uv made this virtualenv anew, for another Python, without pip and itself.
{%- endif %}
		uv=$state/uv/bin/uv
		# A power cut may have left an empty one.
		[ -n "$(isolated "$uv" --version 2>/dev/null)" ] || {
			run python3 -m venv --clear "$state/uv"
			run "$state/uv/bin/pip" install --disable-pip-version-check --no-input uv
		}
	}
{%- endif %}

	install_dependencies() {
		begin dependencies
{%- if asks_pip %}
		# pip found nothing to do for just this; to ask it again would take longer than any other step.
		if [ "$(installed)" = "$(cat "$venv/.installed" 2>/dev/null)" ]; then
			report ok 'Python dependencies are installed already'
			return
		fi
		rm -f "$venv/.installed" # half an install is none
{%- endif %}
{%- if release_venv %}
		find_venv
		if [ -e "$venv/.complete" ]; then
			ln -s "../../../venvs/${venv##*/}" "$releases/$release/.pystrano/venv"
			report ok 'Python dependencies are installed already'
			return
		fi
		rm -rf "$venv"
{%- if pip %}
		run python3 -m venv "$venv"
{%- else %}
		find_uv
		run in_release "$uv" venv --quiet "$venv" # for the Python that the project asks for
{%- endif %}
{%- endif %}
{%- if server.dependency_install_command.is_some() %}
		run in_release{% if release_venv %} env VIRTUAL_ENV="$venv" UV_PROJECT_ENVIRONMENT="$venv" PATH="$venv/bin:$PATH"{% endif %} bash -c "$dependency_install_command"
{%- else if pip %}
		run in_release "$venv/bin/pip" install --disable-pip-version-check --no-input -r "$dependency_file"
{%- else %}
{%- if !release_venv %}
		find_uv
{%- endif %}
{%- if release_venv %}
		# pip compiles what it installs. A unit that may not write there would do it at every start.
{%- endif %}
{%- if uv_lock %}
		run in_release "$uv" sync --frozen --no-dev{% if release_venv %} --compile-bytecode{% endif %}
{%- else %}
		run in_release "$uv" pip install{% if release_venv %} --compile-bytecode{% endif %} --python "$venv/bin/python" -r "$dependency_file"
{%- endif %}
{%- endif %}
{%- if release_venv %}
		# Complete means: all of it is on the disk.
		isolated sync -f "$venv"
		: >"$venv/.complete"
		ln -s "../../../venvs/${venv##*/}" "$releases/$release/.pystrano/venv"
{%- else if asks_pip %}
		# Installed means: all of it is on the disk.
		isolated sync -f "$venv"
		depends_on_more || installed >"$venv/.installed"
{%- endif %}
		report changed 'Installed Python dependencies'
	}
