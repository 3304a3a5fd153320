	make_directories() {
		begin directories
		own "$root" "$root/releases" "$root/shared" "$root/shared/media" "$root/.pystrano"{% if release_venv %} "$root/venvs"{% endif %}
		tell 'Prepared remote directory structure'
	}
