	# find_debs: what is missing here comes from the payload. A controller sends none of it: then apt
	# has its sources.
	find_debs() {
		if [ -z "$nonce" ] && [ -n "$(missing_here)" ]; then
			find_payload
		else
			payload=''
		fi
	}

{% include "parts/payload.sh" %}

	# offer_debs: what is in the payload is all that apt knows.
	offer_debs() {
		debs=$state/debs
		rm -rf "$debs"
		mkdir -p "$debs/lists/partial"
		isolated tar -xOf "$payload" system.tar >"$debs/system.tar"
		is_whole "$debs/system.tar" "$system_sha256" "$system_size" || die 1 "$payload has changed"
		isolated tar -xf "$debs/system.tar" -C "$debs"
		printf 'deb [trusted=yes] file:%s ./\n' "$debs" >"$debs/sources"
		printf '%s "%s";\n' Dir::Etc::SourceList "$debs/sources" Dir::Etc::SourceParts /dev/null Dir::State::Lists "$debs/lists" >"$debs/apt.conf"
		export APT_CONFIG="$debs/apt.conf"
	}
