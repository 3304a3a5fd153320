	put_secrets() {
		begin secrets
		umask 077 # some shells keep the text below in a file while they pass it on
{%- for secret in secrets %}
		put "$root/shared/"{{ secret.name }} "$root/.pystrano/secret.new" <<\EOF
{{ secret.text|safe }}
EOF
{%- endfor %}
		umask 022
		finish_step 'Uploaded secrets to shared directory'
	}
