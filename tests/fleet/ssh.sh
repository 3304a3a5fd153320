#!/bin/sh
# Stands in for ssh: runs the remote command here, as the host whose directory is $FLEET/<host>.
#
# The arguments that the script gets are kept in its file `calls`. Files in that directory say what goes wrong: `refused`, `denied`, `dropped` (a number of
# times), `before` (text printed ahead of the script), `login` (a startup file of the login shell), `cut` (the link is lost at the first line that
# holds this text; once), `dead` (with `cut`: the host dies too, and is never reached again), `mute`
# (nothing of what the host says arrives), `starve` (the link is lost when so many bytes were sent to the host; once), `linger` (the link stays when the script has ended; once), `heard` (the words that it gets are kept there).
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
