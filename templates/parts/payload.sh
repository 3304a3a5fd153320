	# find_payload sets the path of the payload that belongs to this script: beside it, or from
	# payload=PATH.
	find_payload() {
		begin payload
		if [ -z "$payload" ]; then
			for place in "${here%/*}/payload" "$here/payload" "$here"; do
				payload=$place/$payload_sha256.tar
				[ ! -f "$payload" ] || break
			done
		fi
		[ -f "$payload" ] || die 3 "there is no payload/$payload_sha256.tar beside this script; bring it along, or say where it is: payload=PATH"
		[ -r "$payload" ] || die 3 "$(id -un) may not read $payload"
		is_whole "$payload" "$payload_sha256" "$payload_size" || die 3 "$payload is damaged, or not the payload of this script"
		report ok "Checked $payload"
	}

	# is_whole FILE SHA256 SIZE: FILE has this size and checksum.
	is_whole() {
		[ "$(wc -c <"$1")" -eq "$3" ] && [ "$(sha256sum <"$1")" = "$2  -" ]
	}
