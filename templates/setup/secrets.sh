	put_secrets() {
		begin secrets
		umask 077 # some shells write here-documents to a temporary file
{%- for secret in secrets %}
		put "$root/shared/"{{ secret.name }} "$root/.pystrano/secret.new" <<\EOF
{{ secret.text|safe }}
EOF
{%- endfor %}
		umask 022
		finish_step 'Uploaded secrets to shared directory'
	}
