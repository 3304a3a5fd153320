	# need_app_dir: the repository has it, and it leads nowhere else.
	need_app_dir() {
		found=$(cd -P -- "$new/$app_dir" 2>/dev/null && pwd) || found=''
		[ "$found" = "$(cd -P -- "$new" && pwd)/$app_dir" ] ||
			die 3 "the repository has no directory $app_dir; correct app_dir"
	}
