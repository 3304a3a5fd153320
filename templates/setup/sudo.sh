	limit_sudo() {
		begin sudo
{%- if let Some(unit) = unit %}
		systemctl=/usr/bin/systemctl
		[ -x "$systemctl" ] || systemctl=$(command -v systemctl)
		rule={{ unit.sudo_user }}" ALL=(root) NOPASSWD: $systemctl restart "{{ unit.sudo_unit }}
		if [ "$(cat "$sudo_file" 2>/dev/null)" != "$rule" ]; then
			# sudo passes over names with a dot: the rule does not hold before it was checked.
			new=$sudo_file.new
			printf '%s\n' "$rule" >"$new"
			chmod 440 "$new"
			visudo -cf "$new" >/dev/null
			mv -f "$new" "$sudo_file"
			outcome=changed
		fi
		text="Limited sudo for $user to restarting $unit"
{%- else %}
		text="Left $user without unlimited sudo"
{%- endif %}
		old=/etc/sudoers.d/$user
		if [ "$(cat "$old" 2>/dev/null)" = "$user ALL=(ALL) NOPASSWD:ALL" ]; then
			rm "$old"
			outcome=changed
		elif [ -s "$old" ]; then
			text="$text, but $old may give it more"
			outcome=warning
		fi
		finish_step "$text"
	}
