# shellcheck shell=sh
# For the steps, by ". .type/result.sh": result.json, and what they leave for each other.
#
# .tree holds the name of the source tree, .version the version of the source.

json_string() {
	printf '"%s"' "$(printf '%s' "$1" | tr -d '[:cntrl:]' | sed 's/\\/\\\\/g; s/"/\\"/g' | cut -c1-900)"
}

# write_result [,"KEY":VALUE…] : result.json with the version and this.
write_result() {
	version=$(cat .version 2>/dev/null || true)
	printf '{"version":%s%s}\n' "$(json_string "$version")" "${1:-}" >result.json.new
	mv -f result.json.new "${SLIPWAY_RESULT:-result.json}"
}

# give_up REASON TEXT : end the step, with that text for the job's page.
give_up() {
	write_result ",\"reason\":\"$1\",\"message\":$(json_string "$2")"
	echo "slipway: $2" >&2
	exit 1
}
