#!/bin/sh
# run COMMAND...: becomes COMMAND, in the directory of this release, with its env and virtualenv.
set -e
if [ "$#" -eq 0 ]; then
	printf '%s\n' 'usage: run COMMAND...' >&2
	exit 2
fi
# By its own path rather than through current, so that all that follows is of one release.
[ "$(readlink -f -- "$0")" = "$0" ] || exec "$(readlink -f -- "$0")" "$@"
cd -- "${0%/.pystrano/run}"{% if !server.app_dir.is_top() %}/{{ server.app_dir }}{% endif %}
{%- for (name, value) in variables %}
export {{ name|safe }}={{ value }}
{%- endfor %}
{%- if release_venv %}
VIRTUAL_ENV=$(readlink -f -- "${0%/run}/venv")
export VIRTUAL_ENV
{%- else %}
export VIRTUAL_ENV={{ server.venv_dir }}
{%- endif %}
export PATH="$VIRTUAL_ENV/bin{% if !pip %}:${0%/run}/bin{% endif %}:$PATH"
{%- if runs_uvicorn %}
# The stop of uvicorn drops requests that it has not read; serve.py reads them first.
if [ "$1" = uvicorn ] && [ -x "$VIRTUAL_ENV/bin/uvicorn" ]; then
	shift
	exec "$VIRTUAL_ENV/bin/python" "${0%/run}/serve.py" "$@"
fi
{%- endif %}
exec "$@"
