	# know_hosts: this config names no hosts, but an earlier one may have.
	know_hosts() {
		old=$(cat "$kept/known_hosts" 2>/dev/null) || return 0
		begin known-hosts
		look_after known_hosts "$old" 'hosts that the config no longer names'
		keep known_hosts "$old"
		finish_step 'Updated known hosts'
	}
