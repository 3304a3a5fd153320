	limit_sudo() {
		begin sudo
{%- if !services.is_empty() %}
		systemctl=/usr/bin/systemctl
		[ -x "$systemctl" ] || systemctl=$(command -v systemctl)
		journalctl=/usr/bin/journalctl
		[ -x "$journalctl" ] || journalctl=$(command -v journalctl)
		rule={{ sudo_user }}" ALL=(root) NOPASSWD: $systemctl restart "{{ sudo_units }}
{%- for arguments in sudo_logs %}
		rule="$rule, $journalctl "{{ arguments }}
{%- endfor %}
		rm -f "$sudo_file.new" # left by a killed setup
		if [ "$(cat "$sudo_file" 2>/dev/null)" != "$rule" ]; then
			# sudo ignores files with a dot in their name: the rule is not in effect before it was checked.
			new=$sudo_file.new
			printf '%s\n' "$rule" >"$new"
			chmod 440 "$new"
			run visudo -q -cf "$new"
			mv -f "$new" "$sudo_file"
			new=''
			outcome=changed
		fi
		if ! as_user sudo -n -l "$systemctl" restart{% for service in services %} {{ service.name }}{% endfor %}; then
			warn "sudo does not let $user restart $services: $(user_output | tail -n 1); look for a cause such as requiretty in /etc/sudoers and the files beside $sudo_file"
		fi
		text="Limited sudo for $user to restarting $services and reading {% if services.len() == 1 %}its log{% else %}their logs{% endif %}"
{%- else %}
		text="Left $user without unlimited sudo"
{%- endif %}
		old_rule=/etc/sudoers.d/$user
		if [ "$(cat "$old_rule" 2>/dev/null)" = "$user ALL=(ALL) NOPASSWD:ALL" ]; then
			rm "$old_rule"
			outcome=changed
		elif [ -s "$old_rule" ]; then
			text="$text, but $old_rule may give it more"
			outcome=warning
		fi
		finish_step "$text"
	}
