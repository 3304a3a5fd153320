	make_directories() {
		begin directories
		own "$root" "$root/releases" "$root/shared" "$root/shared/media" "$root/.pystrano"{% if release_venv %} "$root/venvs"{% endif %}
		finish_step 'Prepared remote directory structure'
	}
