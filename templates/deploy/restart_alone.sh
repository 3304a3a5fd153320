
	# restart_alone: what runs is started again, and verified. There is nothing to go back to.
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
		# What was begun comes to its end, and into the log.
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
