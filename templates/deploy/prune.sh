	# prune removes old releases, but never the current one or the one before it.
	prune() {
		begin prune
		pruned=0
		for old in $(good_releases | head -n "-$keep_releases"); do
			case $old in "$release" | "$current") continue ;; esac
			if ! discard "$old"; then
				report warning "Could not remove $releases/$old"
				return
			fi
			pruned=$((pruned + 1))
		done
{%- if release_venv %}
		prune_venvs || report warning 'Could not remove an unused virtualenv'
{%- endif %}
		case $pruned in
		0) report ok 'There is nothing to prune' ;;
		*) report changed "Pruned $pruned old releases" ;;
		esac
	}
{%- if release_venv %}

	# prune_venvs removes the virtualenvs that no release uses any more.
	prune_venvs() {
		remove "$root"/venvs/.trash-*
		for old in "$root"/venvs/*; do
			for user_of in "$releases"/*/.pystrano/venv "$releases"/*/.pystrano/packages; do
				[ "$(readlink "$user_of")" != "../../../venvs/${old##*/}" ] || continue 2
			done
			# Rename it first: a virtualenv that is only partly removed must not look complete.
			mv "$old" "$root/venvs/.trash-${old##*/}" || return
		done
		remove "$root"/venvs/.trash-*
	}
{%- endif %}
