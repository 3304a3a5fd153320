	put_deploy_key() {
		begin deploy-key
		umask 077 # some shells write here-documents to a temporary file
		put "$home/.ssh/"{{ deploy_key_name }} "$home/.ssh/"{{ deploy_key_name }}.new <<\EOF
{{ deploy_key|safe }}
EOF
		umask 022
		finish_step 'Installed the deploy key'
	}
