	# link_shared NAME: in place of what the repository may hold under that name.
	link_shared() {
		rm -rf "$releases/$release/${1:?}"
		ln -s "../../shared/$1" "$releases/$release/$1"
	}

	link_media() {
		begin media
		mkdir -p "$shared/media"
		link_shared media
		report changed 'Linked shared media'
	}
