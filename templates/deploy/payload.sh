	# ---- payload: one file with the code and its dependencies

{% include "parts/payload.sh" %}

	get_code() {
		begin code
		commit=$payload_commit
		event "fact commit $commit"
		new=$releases/.new-$release
		mkdir "$new"
		exec 8<"$new" # stop_orphans finds the commands of this run by it
		get_part source.tar.gz "$source_sha256" "$source_size"
		isolated tar -xzmf "$state/part" -C "$new" # with the current time, like a clone
		rm -f "$state/part"
{%- if release_venv %}
		# It is there already if the project is a package: with its wheels.
		[ -d "$new/.pystrano" ] || mkdir "$new/.pystrano"
{%- else %}
		mkdir "$new/.pystrano"
{%- endif %}
{% include "deploy/place_release.sh" %}
		report changed "Unpacked $payload_source at $(printf %.12s "$commit")"
	}
{%- if !server.app_dir.is_top() %}

{% include "deploy/need_app_dir.sh" %}
{%- endif %}

	# get_part NAME SHA256 SIZE writes a part of the payload to $state/part and checks it.
	get_part() {
		if [ -n "$nonce" ]; then
			receive_part "$1" "$3"
		else
			isolated tar -xOf "$payload" "$1" >"$state/part"
		fi
		is_whole "$state/part" "$2" "$3" || die 3 "$1 of the payload did not arrive completely"
	}

	# ask_part NAME requests it from the controller, which sends nothing else until the next event.
	ask_part() {
		unwatch_controller
		event "need $1"
	}

	# receive_part NAME SIZE reads the part that was requested.
	receive_part() {
		read_order || :
		[ "$order" = "part $1" ] || die 3 'cancelled'
		: >"$state/part"
		left=$2
		while [ "$left" -gt 0 ]; do
			chunk=$((left < 1048576 ? left : 1048576))
			# The connection may hang.
			timeout 60 dd bs=64K count="$chunk" iflag=fullblock,count_bytes status=none <&3 >>"$state/part" 3<&- 8<&- 9>&- || die 3 'nothing came from the controller for a minute'
			left=$((left - chunk))
			[ "$(($(wc -c <"$state/part") + left))" -eq "$2" ] || die 3 'cancelled'
		done
		watch_controller 0
	}
