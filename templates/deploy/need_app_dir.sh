	# need_app_dir: the repository has app_dir, and it is inside the release.
	need_app_dir() {
		found=$(cd -P -- "$new/$app_dir" 2>/dev/null && pwd) || found=''
		[ "$found" = "$(cd -P -- "$new" && pwd)/$app_dir" ] ||
			die 3 "the repository has no directory $app_dir; correct app_dir"
	}
