	# setup.sh records in {{ records }}/APP/ENVIRONMENT what each app has on the host, one "KIND NAME" a
	# line: user, root (project_root), venv (venv_dir), unit, sudo (file of the rule), secret (file) or
	# deploy-key (name in ~/.ssh).
	app={{ app }}
	records={{ records }}

	# owner_of KIND NAME prints the other app and environment that has it, if any.
	owner_of() {
		grep -rlxF -e "$1 $2" "$records" 2>/dev/null | sed "s|^$records/||" | grep -vxF -e "$app" | head -n 1
	}
