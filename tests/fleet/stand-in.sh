#!/bin/sh
# Plays each command of a deploy under its name. $SANDBOX/fail/<what> makes it fail, $SANDBOX/slow/<what> holds the
# seconds that it takes, $SANDBOX/before/<what> commands to run first.
name=${0##*/}
what=$name
case "$name $*" in
*manage.py\ migrate*) what=migrate ;;
*manage.py\ collectstatic*) what=static ;;
systemctl\ restart*) what=restart ;;
esac
printf '%s %s\n' "${SANDBOX##*/}" "$what" >>"$FLEET/order"
[ ! -e "$SANDBOX/talk/$what" ] || cat "$SANDBOX/talk/$what"
[ ! -e "$SANDBOX/slow/$what" ] || sleep "$(cat "$SANDBOX/slow/$what")"
[ ! -e "$SANDBOX/before/$what" ] || . "$SANDBOX/before/$what"
release=$(readlink "$SANDBOX/root/current")
if [ -e "$SANDBOX/fail/$what" ]; then
	# Commands that run after the switch fail only for the new release.
	case "$what $release" in
	"restart releases/20260101000000" | "curl releases/20260101000000")
		[ ! -e "$SANDBOX/fail/old" ] || {
			printf 500
			exit
		}
		;;
	curl\ *)
		printf 500
		exit
		;;
	*)
		echo "$what: as the test wants" >&2
		exit 7
		;;
	esac
fi
case $name in
git)
	[ ! -e "$FLEET/repo" ] || exec /usr/bin/git "$@"
	case $* in
	*rev-parse*) cat "$SANDBOX/commit" 2>/dev/null || echo 0123456789abcdef0123456789abcdef01234567 ;;
	*' clone '*)
		for last in "$@"; do :; done
		mkdir -p "$last"
		: >"$last/requirements.txt"
		;;
	esac
	;;
sudo)
	[ "$1" != -n ] || shift
	case "$1 ${2-}" in
	'-l journalctl') [ ! -e "$SANDBOX/fail/journalctl-rule" ] ;;
	'-l '*) ;;
	*) exec "$@" ;;
	esac
	;;
systemctl)
	case $* in
	*StateChangeTimestamp*) echo 'Thu 2026-01-01 01:02:03 UTC'; exit ;;
	esac
	case $1 in
	show) printf '%s\n' Id=app.service LoadState=loaded ActiveState=active InvocationID=1 MainPID=0 Result=success ;;
	is-active)
		[ ! -e "$SANDBOX/down" ] || { echo failed; exit 3; }
		echo active
		;;
	esac
	;;
journalctl)
	cat "$SANDBOX/journal" 2>/dev/null
	case $* in *--follow*)
		while kill -0 "$PPID" 2>/dev/null; do
			[ ! -e "$SANDBOX/more" ] || {
				cat "$SANDBOX/more"
				rm "$SANDBOX/more"
			}
			sleep 0.05
		done
		;;
	esac
	;;
curl) printf 200 ;;
esac
