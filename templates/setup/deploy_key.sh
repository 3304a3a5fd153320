	put_deploy_key() {
		begin deploy-key
		umask 077 # some shells keep the text below in a file while they pass it on
		put "$home/.ssh/"{{ deploy_key_name }} "$home/.ssh/"{{ deploy_key_name }}.new <<\EOF
{{ deploy_key|safe }}
EOF
		umask 022
		finish_step 'Installed the deploy key'
	}
