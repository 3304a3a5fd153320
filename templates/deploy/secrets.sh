	link_secrets() {
		begin secrets
{%- for secret in server.secrets %}
		link_shared {{ secret.name }}
{%- endfor %}
		report changed 'Linked secrets into release'
	}
