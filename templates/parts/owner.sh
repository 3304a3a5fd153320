	# ---- who owns what on this host

	# setup.sh keeps a file for each app and environment, readable by all: {{ records }}/APP/ENVIRONMENT.
	# Each line is a kind, a space and a value: user, root (project_root), venv (venv_dir), unit,
	# sudo (file of the rule), secret (file), deploy-key (name in ~/.ssh). Lines with # are comments.
	app={{ app }}
	records={{ records }}

	# owner_of KIND VALUE prints which other app and environment of this host has it, if one does.
	owner_of() {
		grep -rlxF -e "$1 $2" "$records" 2>/dev/null | sed "s|^$records/||" | grep -vxF -e "$app" | head -n 1
	}
