	# find_debs finds the packages of the payload that are missing here. A controller sends no packages:
	# apt has sources there.
	find_debs() {
		if [ -z "$nonce" ] && [ -n "$(missing_here)" ]; then
			find_payload
		else
			payload=''
		fi
	}

{% include "parts/payload.sh" %}

	# offer_debs makes the packages of the payload the only source of apt.
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
