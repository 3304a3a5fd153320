	make_virtualenv() {
		begin virtualenv
{%- if release_venv %}
		# Each release has its own; this link leads to that of the current one.
		if [ ! -e "$venv" ] && [ ! -L "$venv" ]; then
			if ! as_user ln -s "$root/current/.pystrano/venv" "$venv"; then
				reason=$(link_as_root "$root/current/.pystrano/venv" "$venv")
			fi
			outcome=changed
		fi
{%- if uv %}
		provide "$root/.pystrano/uv"
		provide_uv "$root/.pystrano/uv"
{%- endif %}
{%- else %}
{%- if uv %}
		# If uv recreated it for another Python, it has no pip; deploy.sh installs its own uv then.
		if ! as_user sh -c '[ -f "$1/pyvenv.cfg" ] && grep -q "^uv = " "$1/pyvenv.cfg" && "$1/bin/python" -c ""' sh "$venv"; then
			provide "$venv"
			provide_uv "$venv"
		fi
{%- else %}
		provide "$venv"
{%- endif %}
{%- endif %}
		finish_step "Provisioned virtualenv at $venv"
	}
{%- if release_venv %}

	# link_as_root TARGET LINK makes the link in a directory that only root can change, or that root
	# creates for it.
	link_as_root() (
		walk_as_root "${2%/*}"
		if ! is_roots_alone; then
			printf '%s\n' "$user cannot make $2; make the directory it is in the user's, or name another venv_dir"
			exit 1
		fi
		ln -s "$1" "./${2##*/}"
	)
{%- endif %}
{%- if !release_venv || uv %}

	# provide DIR makes a virtualenv there, unless it has one whose python runs and finds pip.
	provide() {
		if [ -e "$1/pyvenv.cfg" ] && [ ! -f "$1/pyvenv.cfg" ]; then
			die 1 "$1/pyvenv.cfg is not a regular file; remove it"
		fi
		if ! as_user "$1/bin/python" -I -S -c "$find_pip" "$1"; then
			ensure_owned_dirs "$1"
			as_user {{ python|safe }} -m venv "$1"
			outcome=changed
		fi
	}

	find_pip='import sys; open("%s/lib/python%d.%d/site-packages/pip/__init__.py" % (sys.argv[1], *sys.version_info[:2]))'

{%- endif %}
{%- if uv %}

	# provide_uv DIR installs uv into that virtualenv.
	provide_uv() {
		if [ ! -x "$1/bin/uv" ]; then
			as_user "$1/bin/pip" install --quiet --disable-pip-version-check --no-input uv
			outcome=changed
		fi
	}
{%- endif %}
