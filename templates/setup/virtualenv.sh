	make_virtualenv() {
		begin virtualenv
{%- if release_venv %}
		# Each release brings its own, and this name follows the current one.
		if [ ! -e "$venv" ] && [ ! -L "$venv" ]; then
			own "${venv%/*}"
			run as_user ln -s "$root/current/.pystrano/venv" "$venv"
			outcome=changed
		fi
{%- if uv %}
		provide "$root/.pystrano/uv"
		provide_uv "$root/.pystrano/uv"
{%- endif %}
{%- else %}
{%- if uv %}
		# One that uv made anew, for another Python, has no pip; deploy.sh brings its own uv then.
		if ! as_user grep -q '^uv = ' "$venv/pyvenv.cfg" >/dev/null 2>&1 || ! as_user "$venv/bin/python" -c '' >/dev/null 2>&1; then
			provide "$venv"
			provide_uv "$venv"
		fi
{%- else %}
		provide "$venv"
{%- endif %}
{%- endif %}
		finish_step "Provisioned virtualenv at $venv"
	}
{%- if !release_venv || uv %}

	# provide DIR: a virtualenv that works: its python runs, and has pip where that version looks.
	provide() {
		if ! as_user "$1/bin/python" -I -S -c "$find_pip" "$1" >/dev/null 2>&1; then
			own "$1"
			run as_user python3 -m venv "$1"
			outcome=changed
		fi
	}

	find_pip='import sys; open("%s/lib/python%d.%d/site-packages/pip/__init__.py" % (sys.argv[1], *sys.version_info[:2]))'

{%- endif %}
{%- if uv %}

	# provide_uv DIR: uv in that virtualenv.
	provide_uv() {
		if [ ! -x "$1/bin/uv" ]; then
			run as_user "$1/bin/pip" install --quiet --disable-pip-version-check --no-input uv
			outcome=changed
		fi
	}
{%- endif %}
