#!/bin/sh
# Stands in for ssh: runs the remote command here, as the host whose directory is $FLEET/<host>.
#
# The script's arguments are recorded in the host's file `calls`. Files in the host's directory inject faults:
# `refused`; `denied`; `dropped` (the number of connections to drop); `before` (text printed before the script runs);
# `login` (a startup file of the login shell); `cut` (the connection is lost once, at the first line that contains
# this text); `dead` (with `cut`: the host dies, too, and is never reached again); `mute` (no output of the host
# arrives); `starve` (the connection is lost once, after so many bytes were sent to the host); `linger` (once, the
# connection stays open for a while after the script has ended); `heard` (all that is sent to the host is recorded in
# it).
exec 3<&0
forward=no
while [ "$1" != -- ]; do
	[ "$1" != -A ] || forward=yes
	shift
done
host=$2 command=$3
export SANDBOX="$FLEET/$host" HOME="$FLEET/$host" PATH="$FLEET/bin:$PATH"
cd "$SANDBOX" || exit 255
printf '%s %s\n' "$forward" "$command" >>ssh

die() {
	printf '%s\r\n' "$1" >&2
	exit 255
}

[ "$SSH_ASKPASS_REQUIRE" = force ] && ! "$SSH_ASKPASS" || die 'It would ask at the terminal.'
[ ! -e refused ] || die "ssh: connect to host $host port 22: Connection refused"
[ ! -e denied ] || die "deploy@$host: Permission denied (publickey)."
if [ -e dropped ]; then
	left=$(cat dropped)
	[ "$left" -le 1 ] && rm dropped || echo $((left - 1)) >dropped
	die 'kex_exchange_identification: Connection closed by remote host'
fi
[ ! -e before ] || cat before
[ ! -e login ] || . ./login
if [ -e mute ]; then
	setsid sh -c "$command" >muted 2>&1
	exit
fi
if [ -e linger ]; then
	rm linger
	setsid -w sh -c "$command"
	sleep 30
fi
if [ -e heard ]; then
	tee heard | sh -c "$command"
	exit
fi
if [ -e starve ]; then
	bytes=$(cat starve)
	rm starve
	mkfifo in out
	setsid sh -c "$command" <in >out 2>&1 &
	cat <out &
	relay=$!
	dd bs=65536 iflag=count_bytes count="$bytes" <&3 >in 2>/dev/null
	kill "$relay"
	rm -f in out
	die 'client_loop: send disconnect: Broken pipe'
fi
[ -e cut ] || exec sh -c "$command"

cut=$(cat cut)
rm cut
mkfifo in out
setsid sh -c "$command" <in >out 2>&1 &
script=$!
cat <&3 >in &
feeder=$!
exec 4<out
while IFS= read -r line <&4; do
	printf '%s\n' "$line"
	case $line in *"$cut"*)
		if [ -e dead ]; then
			kill -KILL -"$script"
			touch refused
		fi
		kill "$feeder"
		rm -f in out
		die 'client_loop: send disconnect: Broken pipe'
		;;
	esac
done
kill "$feeder" 2>/dev/null
rm -f in out
wait "$script"
