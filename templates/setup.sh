#!/bin/sh
# setup.sh: makes a server ready for deploy.sh.
#
#   sudo sh setup.sh [--prune]
#
# Run it as root on {{ server.host }}. What a step finds done, it leaves as it is:
#   host         what cannot work here stops the run
#   lock         one setup at a time on a host
#   ownership    what {{ app }} has on the host, recorded for others; what is another's is refused
#   user         the account {{ server.project_user }}, and whether it can log in
#   keys         who may log in as root may log in as {{ server.project_user }}
#   directories  {{ server.project_root }}
#   packages     those named in the settings below{% if payload.is_some() %}; run by hand, those of the payload{% endif %}
{%- if !services.is_empty() %}
#   sudo         {{ server.project_user }} may restart {{ service_list }} and read {% if services.len() == 1 %}its log{% else %}their logs{% endif %} as root, and nothing else
{%- else %}
#   sudo         {{ server.project_user }} loses the unlimited rights that an older tool gave
{%- endif %}
#   virtualenv   {{ server.venv_dir }}
#   known-hosts  the keys of the hosts that code comes from
{%- if deploy_key.is_some() %}
#   deploy-key   with which git reads the repository
{%- endif %}
{%- if !units.is_empty() %}
#   service      {{ unit_list }}, enabled; the first deploy starts what runs the app
{%- endif %}
{%- if !secrets.is_empty() %}
#   secrets      files in {{ server.project_root }}/shared
{%- endif %}
#   leftovers    what an earlier setup of this app brought and the config no longer has
{%- if !triggers.is_empty() %}
#   start        {{ trigger_list }}
{%- endif %}
#
# Units and sudo rules among the leftovers are removed, keys, known hosts and secrets named; with
# --prune they are removed, too. What others put there stays.
#
# In a directory that {{ server.project_user }} can write, root changes nothing itself: it acts as
# {{ server.project_user }} there, so that a link planted in it leads no further than {{ server.project_user }} may go.
#
# Exit status: 0 done; 1 a step failed, run it again when that is fixed; 2 refused, nothing was changed.

# The braces make the shell read all of it first: half a file runs nothing.
# Single quotes hold what the programs started here expand; run and traps call functions by name.
# shellcheck disable=SC2016,SC2317
{
	# ---- settings

	user={{ server.project_user }}
	root={{ server.project_root }}
	venv={{ server.venv_dir }}
{%- if let Some(python) = interpreter %}
	python={{ python }}
{%- endif %}
	base_packages={{ base_packages }}
{%- if !system_packages.is_empty() %}
	system_packages={{ system_packages }}
{%- endif %}
{%- if !units.is_empty() %}
	units={{ unit_list }}
{%- endif %}
{%- if !services.is_empty() %}
	services={{ service_list }} # the units that run the app
	sudo_file={{ sudo_file }}
{%- endif %}
{%- if !triggers.is_empty() %}
	triggers={{ trigger_list }}
{%- endif %}

{%- if let Some(payload) = payload %}
	payload_sha256={{ payload.sha256 }}
	payload_size={{ payload.size }}
{%- if let Some(part) = payload.part(crate::payload::SYSTEM) %}
	system_sha256={{ part.sha256 }}
	system_size={{ part.size }}
{%- endif %}
{%- endif %}

	state=/var/lib/pystrano

{% include "parts/messages.sh" %}

{% include "parts/run.sh" %}
{%- if redacted %}

{% include "parts/redacted.sh" %}
{%- endif %}

	# finish_step TEXT reports the step, and counts it by its outcome.
	finish_step() {
		report "$outcome" "$1"
		case $outcome in
		ok) unchanged=$((unchanged + 1)) ;;
		changed) changed=$((changed + 1)) ;;
		warning) warnings=$((warnings + 1)) ;;
		esac
		outcome=ok
	}

	# ---- who owns what on this host

{% include "parts/owner.sh" %}
	record=$records/$app
	kept=$state/kept/$app # what setups added to the user's .ssh
	output=$state/output  # of commands that run as another user

	# warn TEXT reports a problem; the step goes on.
	warn() {
		report warning "$1"
		warnings=$((warnings + 1))
	}

{% include "parts/as_user.sh" %}

{% include "setup/kept.sh" %}
{%- if deploy_key.is_some() || !secrets.is_empty() %}

{% include "setup/put.sh" %}
{%- endif %}

	# ---- steps

{% include "setup/host.sh" %}

{% include "setup/lock.sh" %}

{% include "setup/ownership.sh" %}

{% include "setup/user.sh" %}

{% include "setup/keys.sh" %}

{% include "setup/directories.sh" %}

{%- if payload.is_some() %}

{% include "setup/debs.sh" %}
{%- endif %}

{% include "setup/packages.sh" %}
{%- if interpreter.is_some() %}

{% include "setup/python.sh" %}
{%- endif %}

{% include "setup/sudo.sh" %}

{% include "setup/virtualenv.sh" %}
{%- if known_hosts.is_empty() %}

{% include "setup/forget_hosts.sh" %}
{%- else %}

{% include "setup/known_hosts.sh" %}
{%- endif %}
{%- if let Some(deploy_key) = deploy_key %}

{% include "setup/deploy_key.sh" %}
{%- endif %}
{%- if !units.is_empty() %}

{% include "setup/units.sh" %}
{%- endif %}
{%- if !secrets.is_empty() %}

{% include "setup/secrets.sh" %}
{%- endif %}

{% include "setup/leftovers.sh" %}

	# ---- the run

	main() {
		set -euf
		unset CDPATH
		umask 022
		export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
		stage=refusing outcome=ok changed=0 unchanged=0 warnings=0 new='' who='' prune='' worker='' user_failed=''
{%- if payload.is_some() %}
{% include "parts/here.sh" %}
{%- endif %}
		for word in "$@"; do
			case $word in
			nonce=*) nonce=${word#*=} ;;
			who=*) who=${word#*=} ;;
			--prune) prune=yes ;;
{%- if payload.is_some() %}
			payload=/*) payload=${word#*=} ;;
			payload=*) payload=$from/${word#*=} ;;
{%- endif %}
			*)
				printf '%s\n' 'usage: sh setup.sh [--prune]{% if payload.is_some() %} [payload=FILE]{% endif %}' >&2
				exit 2
				;;
			esac
		done
{%- if redacted %}
		refuse
{%- endif %}
		start_run setup -
		[ "$(id -u)" = 0 ] || die 2 'setup.sh must run as root: sudo sh setup.sh'
		cd / # the caller's directory may be writable by the user
		check_host
{%- if payload.is_some() %}
		find_debs
{%- endif %}
		take_lock
		own_things
		ensure_user
		copy_keys
		make_directories
		install_packages
		limit_sudo
		make_virtualenv
		know_hosts
{%- if deploy_key.is_some() %}
		put_deploy_key
{%- endif %}
{%- if !units.is_empty() %}
		register_units
{%- endif %}
{%- if !secrets.is_empty() %}
		put_secrets
{%- endif %}
		clear_leftovers
{%- if !triggers.is_empty() %}
		start_triggers
{%- endif %}
	}

{% include "parts/skeleton.sh" %}

	# end_run STATUS is the last thing that every run does.
	end_run() {
		if [ -n "$worker" ]; then
			kill "$worker" 2>/dev/null
			wait "$worker"
		fi
		[ -z "$new" ] || rm -f "$new"
		if [ "$1" = 0 ]; then
			event "fact changed $changed"
			text="setup: $changed changed, $unchanged ok"
			[ "$warnings" = 0 ] || text="$text, $warnings to look at"
			conclude 0 'done' "$text"
		fi
		[ -z "$user_failed" ] || run user_output
		failed "$1"
		[ "$stage" != refusing ] || conclude 2 refused ''
		conclude 1 failed ''
	}

	exec </dev/null
	main "$@"
	exit
}
