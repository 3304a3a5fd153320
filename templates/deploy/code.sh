	get_code() {
		begin clone
		new=$releases/.new-$release
		mkdir "$new"
		exec 8<"$new" # by which the commands of this run can be told, see end_work
{%- if server.clone_depth.0.is_none() %}
		# What the release that runs has already need not be sent again.
{%- endif %}
		# The sample hooks of a template would take longer to copy than a small app.
		run git clone --quiet --template=
{%- if server.revision.is_none() %} --single-branch{% endif %}
{%- if let Some(depth) = server.clone_depth.0 %} --depth {{ depth }}
{%- else %} ${current:+--reference-if-able "$releases/$current" --dissociate}
{%- endif %}
{%- if server.branch.is_some() %} --branch "$branch"{% endif %} -- "$source_code_url" "$new"
{%- if server.revision.is_some() %}
		# A ref that no branch or tag reaches is fetched by its name.
		run git -C "$new" checkout --quiet "$revision" -- || {
			run git -C "$new" fetch --quiet origin "$revision"
			run git -C "$new" checkout --quiet FETCH_HEAD --
		}
{%- endif %}
		commit=$(git -C "$new" rev-parse HEAD)
		rm -rf "$new/.pystrano"
		mkdir "$new/.pystrano"
		: >"$new/.pystrano/unfinished"
		printf '%s\n' "$commit" >"$new/.pystrano/commit"
		printf '%s\n' "$current" >"$new/.pystrano/previous"
		mv "$new" "$releases/$release"
		report changed "Pulled {% if server.revision.is_some() %}$revision{% else if server.branch.is_some() %}branch $branch{% else %}the default branch{% endif %} at $(printf %.12s "$commit")"
	}
