	# names_packages_only: no line of the dependency file is a path, a URL, another file or a variable,
	# whose content may differ in the next release.
	names_packages_only() {
		! sed -E 's/(^|[[:space:]])#.*//; s/--hash=[[:alnum:]:]+//g; s/\\$//' "$releases/$release/$dependency_file" |
			grep -vE '^[[:space:]]*((-i|--(extra-)?index-url)[[:space:]=].*)?$' |
			grep -qE '^[[:space:]]*[^[:alnum:]]|[/@$]|\.(whl|zip|tar|tgz|gz|bz2|xz)([[:space:][;]|$)'
	}
