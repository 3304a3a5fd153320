	# revert STATUS switches back to $current, restarts and verifies it. The run fails.
	revert() {
{%- if !release_venv %}
		report_packages
{%- endif %}
{%- if services.is_empty() %}
		failed "$1"
{%- else %}
		failed_with_log "$1"
{%- endif %}
		failed_step=$step
		begin revert
		reason=''
		if [ -z "$current" ]; then
			rm -f "$root/current"
{%- if !services.is_empty() %}
			restart_services || : # the units ran $release, and there is no release to run instead
{%- endif %}
{%- if verifies %}
		elif ! { switch_to back "$current"{% if !services.is_empty() %} && restart{% endif %} && verify; }; then
{%- else %}
		elif ! switch_to back "$current"; then
{%- endif %}
{%- if services.is_empty() %}
			failed 5
{%- else %}
			failed_with_log 5
{%- endif %}
			log doubt
			conclude 5 doubt "$release failed, and $current could not be brought back; look at this host now"
		fi
{%- if server.run_migrations %}
		report_migrations
{%- endif %}
		[ "$action" = rollback ] || discard "$release" || report warning "Could not remove $releases/$release"
		log reverted
		conclude 1 reverted "$release failed at $failed_step; current is ${current:-nothing} again"
	}
