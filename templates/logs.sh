#!/bin/sh
# logs.sh: prints what the units of one app log, each line with its time in seconds.
#
#   sh logs.sh [follow] [unit=UNIT] [lines=NUMBER] [since=SECONDS]
#
# Run it as {{ server.project_user }} on {{ server.host }}, who may read these logs by sudo, and no others. SECONDS is a
# time; with - before it, so long ago. With follow it goes on until its input ends.

# The braces make the shell read all of it first: half a file runs nothing.
# Traps call functions by name; $followers are numbers of processes.
# shellcheck disable=SC2086,SC2317
{
	user={{ server.project_user }}
	units={{ units }}

{% include "parts/messages.sh" %}

	# show UNIT prints the last lines, each with a time. Sets $end to the time of the very last line, and
	# to how many lines have that time.
	show() {
		all=$(sudo -n journalctl {{ show|safe }} 3<&-)
		if [ "$since" -gt 0 ] && printf '%s\n' "$all" | awk -v since="$since" '
			NR == 1 { first = $1 }
			END { exit NR < {{ max_lines }} || first <= since }'; then
			report warning "The log of $1 has more since then; older lines than the last {{ max_lines }} are for root to read"
		fi
		printf '%s\n' "$all" | awk -v since="$since" '
			/^-- / { next }
			/^[0-9]+\.[0-9]+ / {
				shown = $1 >= since
				head = ""
				next_head = $1 " " $2 " "
			}
			shown { print head $0; head = next_head }' | tail -n "$lines"
		end=$(printf '%s\n' "$all" | awk '
			/^[0-9]+\.[0-9]+ / { count = $1 == last ? count + 1 : 1; last = $1 }
			END { print last == "" ? "0.0" : last, count + 0 }')
	}

	# follow UNIT prints what comes after $end.
	follow() {
		sudo -n journalctl {{ follow|safe }} 3<&- | pass_on "${end% *}" "${end#* }" 3<&- &
		followers="$followers $!"
	}

	# pass_on TIME COUNT prints everything after the COUNTth line with that TIME.
	pass_on() {
		last=${1%.*}${1#*.} count=$2
		while IFS= read -r line; do
			time=${line%% *}
			case $time in *[0-9].[0-9]*) time=${time%.*}${time#*.} ;; *) continue ;; esac
			if [ "$time" -eq "$last" ]; then
				count=$((count - 1))
			fi
			if [ "$time" -gt "$last" ] || { [ "$time" -eq "$last" ] && [ "$count" -lt 0 ]; }; then
				printf '%s\n' "$line"
				exec cat
			fi
		done
	}

	# watch_input ends this run at the end of its input.
	watch_input() {
		{
			while IFS= read -r _; do :; done
			kill -TERM "$$"
		} <&3 >/dev/null 2>&1 &
		followers="$followers $!"
	}

	# end_run STATUS: journalctl ends when its readers do.
	end_run() {
		for follower in $followers; do
			kill -KILL "$follower" 2>/dev/null || :
		done
		[ "$1" -eq 0 ] || failed "$1"
		conclude "$1" logs ''
	}

{% include "parts/skeleton.sh" %}

	main() {
		set -eu
		only='' lines={{ max_lines }} since=0 follow='' followers='' end=''
		for word in "$@"; do
			case $word in
			follow) follow=yes ;;
			nonce=*) nonce=${word#*=} ;;
			unit=*) only=${word#*=} ;;
			lines=*) lines=${word#*=} ;;
			since=-*) since=$(($(date +%s) - ${word#*=-})) ;;
			since=*) since=${word#*=} ;;
			esac
		done
		start_run logs -
		begin logs
		for unit in $units; do
			[ -z "$only" ] || [ "$unit" = "$only" ] || continue
			sudo -n -l journalctl {{ show|safe }} >/dev/null 2>&1 ||
				die 3 "$user may not read the log of $unit here; run setup.sh again"
			show "$unit"
			[ -z "$follow" ] || follow "$unit"
		done
		if [ -n "$follow" ]; then
			trap 'exit 0' TERM
			readers=$followers
			watch_input
			wait $readers || :
			die 1 'journalctl has ended'
		fi
	}

	exec 3<&0 </dev/null
	main "$@"
	exit
}
