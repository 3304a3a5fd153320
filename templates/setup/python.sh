	# has_python: the interpreter runs, and can make virtualenvs.
	has_python() {
		isolated "$python" -c 'import ensurepip, venv' >/dev/null 2>&1
	}

	# check_python: it is here{% if python_is_named %}, or apt has it{% endif %}.
	check_python() {
		! has_python || return 0
{%- if python_is_named %}
{%- if payload.is_some() %}
		[ -z "$payload" ] || return 0
{%- endif %}
		for _ in known updated; do
			[ -z "$(isolated apt-cache show --no-all-versions "$python-venv" 2>/dev/null)" ] || return 0
			apt update
			updated=yes
		done
{%- endif %}
		others=$(find /usr/bin /usr/local/bin -name 'python3.[0-9]*' ! -name '*-*' 2>/dev/null | sed 's|.*/||' | sort -u | tr '\n' ' ')
		die 2 "this host has no $python that makes virtualenvs{% if python_is_named %}, and neither has apt{% endif %}; there are: ${others:-none}{% if python_is_named %}; $(lacking){% endif %}"
	}
