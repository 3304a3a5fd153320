//! Stand-ins for the programs of a host.

/// A stand-in that records how it was called and then runs `extra`.
pub(super) fn stand_in(name: &str, extra: &str) -> String {
    format!(
        r#"#!/bin/sh
cat >/dev/null
for word in "$@"; do printf '%s\0' "$word"; done >>"$SANDBOX/calls/{name}"
env -0 >>"$SANDBOX/environments/{name}"
{extra}
[ ! -e "$SANDBOX/fail/{name}" ]
"#
    )
}

pub(super) const SUDO: &str = r#"#!/bin/sh
[ "$1" = -n ] && shift
if [ "$1" = -l ]; then [ ! -e "$SANDBOX/fail/sudo" ] && [ ! -e "$SANDBOX/fail/sudo-$2" ]; exit; fi
exec "$@"
"#;

pub(super) const SYSTEMCTL: &str = r#"#!/bin/sh
case $1 in
restart)
	printf '%s %s\n' "$*" "$(readlink "$SANDBOX/root/current")" >>"$SANDBOX/calls/systemctl"
	[ ! -e "$SANDBOX/fail/restart" ]
	;;
show)
	shift
	for unit; do
		state=active
		[ ! -e "$SANDBOX/fail/unit" ] && [ ! -e "$SANDBOX/fail/$unit" ] || state=failed
		case $unit in
		-*) ;;
		*) printf '%s\n' "Id=$unit" LoadState=loaded "ActiveState=$state" InvocationID=1 MainPID=0 Result=success '' ;;
		esac
	done
	;;
is-active)
	for unit; do :; done
	[ ! -e "$SANDBOX/fail/unit" ] && [ ! -e "$SANDBOX/fail/$unit" ] || { echo failed; exit 3; }
	echo active
	;;
esac
"#;

/// Prints the unit's log from `files/journal`.
pub(super) const JOURNALCTL: &str = r#"#!/bin/sh
printf '%s\n' "$*" >>"$SANDBOX/calls/journalctl"
[ ! -e "$SANDBOX/files/journal" ] || cat "$SANDBOX/files/journal"
"#;

/// Answers with 500 while `fail/curl` exists, or for one release while `fail/health-<release>` exists.
pub(super) const CURL: &str = r#"#!/bin/sh
release=$(basename "$(readlink "$SANDBOX/root/current")")
if [ -e "$SANDBOX/fail/curl" ] || [ -e "$SANDBOX/fail/health-$release" ]; then printf 500; else printf 200; fi
"#;

/// Creates virtualenvs that contain the stand-ins of `venv`.
pub(super) const PYTHON3: &str = r#"#!/bin/sh
PATH=${PATH#*:}
case $1 in
-m) # venv [--clear] DIR
	for to; do :; done
	mkdir -p "$to/bin"
	for name in pip python alembic gunicorn uvicorn; do cp "$SANDBOX/venv/bin/$name" "$to/bin/"; done
	;;
*) exec python3 "$@" ;;
esac
"#;

/// What the stand-in for uv does besides recording its call.
pub(super) const UV: &str = "[ \"$1\" != venv ] || \"$SANDBOX/bin/python3\" -m venv \"$3\"; [ \"$1\" != --version ] || echo uv 0";
