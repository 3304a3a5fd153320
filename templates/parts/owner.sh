	# setup.sh records in {{ records }}/APP/ENVIRONMENT what each has on the host, each thing on
	# a line: user, root (project_root), venv (venv_dir), unit, sudo (file of the rule), secret (file) or
	# deploy-key (name in ~/.ssh), a space, its name.
	app={{ app }}
	records={{ records }}

	# owner_of KIND NAME prints which other app and environment has it, if one does.
	owner_of() {
		grep -rlxF -e "$1 $2" "$records" 2>/dev/null | sed "s|^$records/||" | grep -vxF -e "$app" | head -n 1
	}
