
	# restart_alone restarts and verifies the current release. There is nothing to revert to.
	restart_alone() {
		take_lock
		begin release
		[ -n "$current" ] || die 3 'there is no release to restart; deploy first'
		release=$current
		check_promotion
		commit=$(commit_of "$release")
		report ok "Found release $release"
		event "fact release $release"
		event "fact commit $commit"
		unwatch_controller
		# Once begun, the restart is finished and logged.
		trap '' HUP INT PIPE TERM
		if restart && verify; then
			log restarted
			conclude 0 restarted "Restarted $release ($commit)"
		else
			failed_with_log "$?"
			log restart-failed
			conclude 1 failed "$unit does not run as it should; look at this host now"
		fi
	}
