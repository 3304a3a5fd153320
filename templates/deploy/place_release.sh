		: >"$new/.pystrano/unfinished"
		printf '%s\n' "$commit" >"$new/.pystrano/commit"
		printf '%s\n' "$current" >"$new/.pystrano/previous"
{%- if !server.app_dir.is_top() %}
		need_app_dir
{%- endif %}
		mv "$new" "$releases/$release"
{%- if !server.secrets.is_empty() %}
		each_secret need_no_directory
{%- endif %}
