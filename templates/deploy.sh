#!/bin/sh
# deploy.sh: releases of one app on one server.
#
#   sh deploy.sh [deploy] [RELEASE]    build a release, promote it, verify it
#   sh deploy.sh rollback [RELEASE]    promote an earlier release again
{%- if !services.is_empty() %}
#   sh deploy.sh restart               restart what runs here, and verify it
{%- endif %}
#   sh deploy.sh status                show what runs here
#
# Run it as {{ server.project_user }} on {{ server.host }}. RELEASE defaults to the time, in UTC. With lock-wait=SECONDS
# it waits that long for another run, which holds the lock.
# A deploy takes these steps, each a function below. Until promote the app goes on as it was.
#   lock          one run at a time; what a killed run left behind is removed
#   release       whatever would stop the release later stops it now
{%- if let Some(payload) = payload %}
#   code          {{ payload.commit_label }}, from payload/{{ payload.sha256 }}.tar
{%- else %}
#   clone         {{ source_code_url }}
{%- endif %}
{%- if server.env_file.is_some() %}
#   env           the env file, and the launcher, which starts commands and the app with it
{%- else %}
#   env           the launcher, which starts commands and the app
{%- endif %}
#   media         a link to {{ server.project_root }}/shared/media
{%- if shares_paths %}
#   shared        links to what else lies in {{ server.project_root }}/shared
{%- endif %}
#   dependencies  into {% if release_venv %}a virtualenv of the release{% else %}{{ server.venv_dir }}{% endif %}
{%- if !server.secrets.is_empty() %}
#   secrets       links to {{ server.project_root }}/shared
{%- endif %}
{%- if server.collect_static_files %}
#   static        static files
{%- endif %}
{%- if !server.hooks.is_empty() %}
#   before_… and after_… are hooks: commands of the app's own, at these points
{%- endif %}
{%- if server.run_migrations %}
#   migrate       the database; a migration that has begun is never cut short
{%- endif %}
#   promote       one rename switches current to the release; if a later step fails, it is switched back
{%- if !services.is_empty() %}
#   restart       {{ service_list }}
{%- endif %}
{%- if verifies %}
#   verify        {% if let Some(check) = server.health_check_url %}{{ check.url }} answers{% else %}the units stay up{% endif %}
{%- endif %}
{%- if let Some(keep) = server.keep_releases.0 %}
#   prune         all but {{ keep }} releases
{%- endif %}
#
# Exit status: 0 done; 1 it failed after promotion and the old release is back;
# 2 refused; 3 stopped before promotion, the host is as it was; 5 the old release
# could not be brought back either.

# The braces make the shell read all of it first: half a file runs nothing.
# Single quotes hold values and what other programs expand; run and traps call functions by name.
# Subshells set variables for themselves alone.
# shellcheck disable=SC2016,SC2030,SC2031,SC2317
{
	# ---- settings

	app={{ app }}
	user={{ server.project_user }}
	root={{ server.project_root }}
{%- if let Some(payload) = payload %}
	payload_sha256={{ payload.sha256 }}
	payload_size={{ payload.size }}
	payload_commit={{ payload.commit }}
	payload_source={{ payload.commit_label }}
{%- if let Some(part) = payload.part(crate::payload::SOURCE) %}
	source_sha256={{ part.sha256 }}
	source_size={{ part.size }}
{%- endif %}
{%- if let Some(part) = payload.part(crate::payload::DEPENDENCIES) %}
	dependencies_sha256={{ part.sha256 }}
	dependencies_size={{ part.size }}
{%- endif %}
{%- else %}
	source_code_url={{ source_code_url }}
{%- if let Some(login) = login %}
	repository_server={{ login.server }}
	repository_username={{ login.username }}
	repository_password={{ login.password }}
{%- endif %}
{%- if server.deploy_key.is_some() %}
	deploy_key=$HOME/.ssh/{{ deploy_key_name }}
{%- endif %}
{%- if let Some(branch) = server.branch %}
	branch={{ branch }}
{%- endif %}
{%- if let Some(revision) = server.revision %}
	revision={{ revision }}
{%- endif %}
{%- endif %}
{%- if !server.app_dir.is_top() %}
	app_dir={{ server.app_dir }}
{%- endif %}
{%- if let Some(command) = server.dependency_install_command %}
	dependency_install_command={{ command }}
{%- else if !payload_packages %}
	dependency_file={{ server.dependency_file }}
{%- endif %}
{%- if pip %}
{%- if let Some(python) = server.python %}
	python={{ python.interpreter() }}
{%- endif %}
{%- endif %}
{%- if release_venv %}
	venv_dir={{ server.venv_dir }} # a link through current
{%- else %}
	venv={{ server.venv_dir }}
{%- endif %}
{%- if let Some(command) = static_files_command %}
	static_files_command={{ command }}
{%- endif %}
{%- if let Some(command) = migration_command %}
	migration_command={{ command }}
{%- endif %}
{%- if !services.is_empty() %}
	services={{ service_list }}
{%- endif %}
{%- if let Some(check) = server.health_check_url %}
	health_check_url={{ check.url }}
{%- if let Some(socket) = check.socket %}
	health_check_socket={{ socket }}
{%- endif %}
{%- if let Some(host) = server.health_check_host %}
	health_check_host={{ host }}
{%- endif %}
	health_check_timeout={{ server.health_check_timeout }} # seconds
{%- endif %}
{%- if let Some(keep) = server.keep_releases.0 %}
	keep_releases={{ keep }}
{%- endif %}

	releases=$root/releases
	shared=$root/shared
	state=$root/.pystrano

	# ---- commands

	deploy() {
{%- if payload.is_some() %}
		if [ -z "$nonce" ]; then
			find_current
			find_payload
		fi # a controller sends the parts on request
{%- endif %}
		take_lock
{%- if payload.is_some() %}
		ask_part source.tar.gz # transferred while the host is checked
{%- endif %}
		check_host
		stage=building
		get_code
		put_env
		link_media
{%- if shares_paths %}
		link_shared_paths
{%- endif %}
		install_dependencies
		drop_agent
{%- for command in server.hooks.at("after_dependencies") %}
		run_hook after_dependencies {{ command }}
{%- endfor %}
{%- for program in programs %}
		need_program {{ program }}
{%- endfor %}
{%- if release_venv %}
		link_venv
{%- endif %}
{%- if !server.secrets.is_empty() %}
		link_secrets
{%- endif %}
{%- if server.collect_static_files %}
{%- for command in server.hooks.at("before_static") %}
		run_hook before_static {{ command }}
{%- endfor %}
		refresh_static_files
{%- for command in server.hooks.at("after_static") %}
		run_hook after_static {{ command }}
{%- endfor %}
{%- endif %}
{%- if server.run_migrations %}
		await_order ready migrate
{%- if !server.hooks.at("before_migrate").is_empty() %}
		watch_controller 0
{%- for command in server.hooks.at("before_migrate") %}
		run_hook before_migrate {{ command }}
{%- endfor %}
		unwatch_controller
{%- endif %}
		migrate
		await_order migrated go
{%- else %}
		await_order ready go
{%- endif %}
{%- for command in server.hooks.at("before_promote") %}
		run_hook before_promote {{ command }}
{%- endfor %}
		event "fact release $release"
		promote deployed
		rm -f "$releases/$release/.pystrano/unfinished" || report warning "Could not mark $release as finished"
{%- for command in server.hooks.at("after_promote") %}
		run_hook after_promote {{ command }} || report warning "The hook after_promote failed; $release stays"
{%- endfor %}
{%- if server.keep_releases.0.is_some() %}
		prune
{%- endif %}
		conclude 0 deployed "Deployed $release ($commit)"
	}

	rollback() {
		take_lock
		begin release
		[ -n "$release" ] || find_previous
		[ "$release" != "$current" ] || die 3 "$release is current already"
		good_releases | grep -qxF -e "$release" || die 3 "there is no release $release to go back to; there are: $(good_releases | tr '\n' ' ')"
		check_promotion
		commit=$(commit_of "$release")
{%- if server.env_file.is_some() %}
		link_env
{%- endif %}
{%- if uses_launcher %}
		need_launcher "$release"
		[ -z "$current" ] || need_launcher "$current"
{%- endif %}
		report ok "Found release $release"
		event "fact release $release"
		await_order ready go
		promote rolled-back
		conclude 0 rolled-back "Rolled back to $release ($commit)"
	}
{%- if !services.is_empty() %}
{% include "deploy/restart_alone.sh" %}
{%- endif %}

	# find_previous sets $release to the release that ran before $current. Earlier tools did not record
	# it; their releases are named by time, so it is the previous name.
	find_previous() {
		if [ -e "$releases/$current/.pystrano/previous" ]; then
			release=$(cat "$releases/$current/.pystrano/previous")
		else
			release=$(good_releases | LC_ALL=C sort | sed "/^$current\$/,\$d" | tail -n 1)
		fi
		[ -n "$release" ] || die 3 'there is no earlier release to go back to'
	}

	# commit_of RELEASE prints its commit, or - if it is unknown.
	commit_of() {
		cat "$releases/$1/.pystrano/commit" 2>/dev/null ||
			git -C "$releases/$1" rev-parse HEAD 2>/dev/null || printf '%s\n' -
	}

{% include "deploy/status.sh" %}

{% include "deploy/lock.sh" %}

{% include "deploy/checks.sh" %}

{% if payload.is_some() %}{% include "deploy/payload.sh" %}{% else %}{% include "deploy/code.sh" %}{% endif %}

{% include "deploy/env.sh" %}

{% include "deploy/links.sh" %}
{%- if shares_paths %}

{% include "deploy/shared_paths.sh" %}
{%- endif %}
{%- if !server.hooks.is_empty() %}

{% include "deploy/hooks.sh" %}
{%- endif %}
{% include "deploy/dependencies.sh" %}
{%- if !programs.is_empty() %}

{% include "deploy/programs.sh" %}
{%- endif %}

{% include "deploy/agent.sh" %}
{%- if !server.secrets.is_empty() %}

{% include "deploy/secrets.sh" %}
{%- endif %}
{%- if server.collect_static_files %}

{% include "deploy/static.sh" %}
{%- endif %}
{%- if server.run_migrations %}

{% include "deploy/migrate.sh" %}
{%- endif %}
{%- if release_venv %}

{% include "deploy/venv_link.sh" %}
{%- endif %}

{% include "deploy/promote.sh" %}
{%- if !services.is_empty() %}

{% include "deploy/units.sh" %}

{% include "deploy/unit_log.sh" %}
{%- endif %}
{%- if !triggers.is_empty() %}

{% include "deploy/triggers.sh" %}
{%- endif %}
{%- if verifies %}

{% include "deploy/verify.sh" %}
{%- endif %}
{%- if let Some(check) = server.health_check_url %}

{% include "deploy/health.sh" %}
{%- endif %}

{% include "deploy/revert.sh" %}

{% include "deploy/log.sh" %}
{%- if server.keep_releases.0.is_some() %}

{% include "deploy/prune.sh" %}
{%- endif %}

{% include "parts/messages.sh" %}

{% include "parts/run.sh" %}

	# ---- the run
{%- if redacted %}

{% include "parts/redacted.sh" %}
{%- endif %}

	main() {
		set -eu
		# The user's environment must not decide the modes of a release or where its packages go.
		umask 022
		unset CDPATH PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON PYTHONHOME PYTHONPATH VIRTUAL_ENV UV_PROJECT UV_PYTHON UV_SYSTEM_PYTHON
		export PIP_USER=0 PIP_DRY_RUN=0 PIP_NO_DEPS=0
{%- if !pip %}
		# Interpreters that uv fetches go where the app can read them.
		export UV_PYTHON_INSTALL_DIR="$state/python"
{%- if let Some(python) = server.python %}
		export UV_PYTHON={{ python }}
{%- endif %}
{%- endif %}
{%- if payload.is_some() %}
{% include "parts/here.sh" %}
{%- endif %}
		cd / # this user may not have access to the caller's directory
		action='' release='' who='' barrier='' lock_wait=0 facts='' current='' commit=- stage=refusing
		for word in "$@"; do
			case $word in
			nonce=*) nonce=${word#*=} ;;
			who=*) who=${word#*=} ;;
			barrier=*) barrier=${word#*=} ;; # seconds
			lock-wait=*) lock_wait=${word#*=} ;;
{%- if payload.is_some() %}
			payload=/*) payload=${word#*=} ;;
			payload=*) payload=$from/${word#*=} ;;
{%- endif %}
			facts=*) facts=${word#*=} ;; # status reports the system, too
			*)
				[ -z "$release" ] || usage
				[ -z "$action" ] && action=$word || release=$word
				;;
			esac
		done
		action=${action:-deploy}
		case $action in deploy | rollback{% if !services.is_empty() %} | restart{% endif %} | status) ;; *) usage ;; esac
{%- if !services.is_empty() %}
		[ "$action" != restart ] || [ -z "$release" ] || usage
{%- endif %}
		case $lock_wait in '' | *[!0-9]*) usage ;; esac
		case $release in [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) usage ;; esac
{%- if redacted %}
		refuse
{%- endif %}
		start_run "$action" "${release:--}"
		[ "$(id -un)" = "$user" ] || die 2 "run it as $user"
		who=${who:-${SUDO_USER:-$user}@$(uname -n)}
		stage=checking
{%- if !services.is_empty() %}
		[ "$action" != restart ] || restart_alone
{%- endif %}
		"$action"
	}

	usage() {
		printf '%s\n' 'usage: sh deploy.sh [deploy|rollback{% if !services.is_empty() %}|restart{% endif %}|status] [RELEASE] [lock-wait=SECONDS]{% if payload.is_some() %} [payload=FILE]{% endif %}' >&2
		exit 2
	}

{% include "parts/skeleton.sh" %}

	# end_run STATUS ends a run that did not conclude.
	end_run() {
{%- if !release_venv %}
		report_packages
{%- endif %}
		failed "$1"
{%- if server.run_migrations %}
		report_migrations
{%- endif %}
		case $stage in
		refusing) conclude 2 refused '' ;;
		looking) conclude 3 stopped '' ;;
		promoted)
			log doubt
			conclude 5 doubt "$release was being promoted; look at this host now"
			;;
		building) discard "$release" ;;
		esac
		# Only the run with the lock may remove them: they are its links for promotion and revert.
		[ "$stage" = checking ] || rm -f "$root/.next" "$root/.back" "$state/order"{% if payload.is_some() %} "$state/part"{% endif %}
		conclude 3 stopped "Stopped before promotion; current is still ${current:-nothing}"
	}

{% include "deploy/controller.sh" %}

	exec 3<&0 </dev/null
	main "$@"
	exit
}
