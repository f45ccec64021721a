# shellcheck shell=bash
# For every .bats file that needs a server: `load lib`, then start_server and stop_server. The tests use the binary as a
# user does. Nothing here sleeps to wait: a server is ready when it says so, a job has ended when `wait` returns, a log
# has a line when `log -f` shows it.
bats_require_minimum_version 1.5.0

: "${SLIPWAY_BIN:=$BATS_TEST_DIRNAME/../../build/slipway}"

sw() { "$SLIPWAY_BIN" "$@"; }

# A folder of its own with a short name: the path of a socket has at most 107 bytes.
make_dir() {
	unset SLIPWAY_TOKEN COLUMNS NO_COLOR
	dir=$(mktemp -d "${TMPDIR:-/tmp}/slw.XXXXXX")
	data=$dir/d
	export dir data SLIPWAY_SERVER=unix:$data/slipway.sock
	[ "${SLIPWAY_TEST_DB:-}" != postgres ] || make_database
}

# A database of its own; its URL is in $db_url, which is unset on SQLite.
make_database() {
	[ -n "${SLIPWAY_TEST_PG:-}" ] || skip "there is no PostgreSQL to test with (tests/pg)"
	db_name=e$$_$RANDOM
	psql -qX "$SLIPWAY_TEST_PG" -c "CREATE DATABASE $db_name"
	db_url=${SLIPWAY_TEST_PG/\/postgres?//$db_name?}
	export db_name db_url
}

# start_server [OPTION…]: in the folder of make_dir; returns when it answers.
start_server() {
	local line=
	rm -f "$dir/ready"
	mkfifo "$dir/ready"
	"$SLIPWAY_BIN" serve --data "$data" ${db_url:+--db "$db_url"} "$@" >"$dir/ready" 2>>"$dir/serve.err" 3>&- &
	server_pid=$!
	export server_pid
	read -r -t 60 line <"$dir/ready" || :
	printf '%s\n' "$line" >"$dir/ready.line"
	[[ $line == ready* ]] || {
		cat "$dir/serve.err" >&2
		return 1
	}
}

# Stop it as an administrator would; it must end well, and nothing of it may be left.
stop_server() {
	local status=0
	kill -TERM "$server_pid"
	wait "$server_pid" || status=$?
	[ "$status" -eq 0 ] || {
		echo "serve ended with status $status" >&2
		cat "$dir/serve.err" >&2
		return 1
	}
	check_nothing_is_left
	check_no_complaint
}

# processes_in FOLDER: a line each for those that have their folder or their root there.
processes_in() {
	find /proc/[0-9]*/cwd /proc/[0-9]*/root -maxdepth 0 \( -lname "$1" -o -lname "$1/*" \) 2>/dev/null |
		while IFS=/ read -r _ _ pid _; do
			printf '%s: %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline")"
		done
}

# Processes, mounts and files of attempts that belong to $dir.
check_nothing_is_left() {
	local found
	found=$(processes_in "$dir"; grep -F "$dir" /proc/self/mounts || :; find "$data/worker/slots" -type f 2>/dev/null || :)
	[ -z "$found" ] || {
		printf 'left behind:\n%s\n' "$found" >&2
		return 1
	}
}

# The sanitizers' reports, and what the server calls an error.
check_no_complaint() {
	if grep -E 'Sanitizer|runtime error|internal error' "$dir/serve.err" >&2; then return 1; fi
}

remove_dir() {
	rm -rf "$dir"
	[ -z "${db_name:-}" ] || psql -qX "$SLIPWAY_TEST_PG" -c "DROP DATABASE $db_name WITH (FORCE)"
}

# field ID PATH: a value of `show --json`, by jq's words: field 7 .state
field() { sw show --json "$1" | jq -r "$2"; }

# check_field ID PATH VALUE
check_field() {
	local got
	got=$(field "$1" "$2")
	[ "$got" = "$3" ] || {
		echo "job $1: $2 is $got, not $3" >&2
		return 1
	}
}

# log_until ID TEXT: returns when the log has a line with this text. The line is in $line.
log_until() {
	local fd follower
	exec {fd}< <(exec "$SLIPWAY_BIN" log -f "$1" 2>/dev/null 3>&-)
	follower=$!
	line=
	while read -r -t 60 line <&"$fd"; do
		[[ $line != *"$2"* ]] || break
	done
	kill "$follower" 2>/dev/null || :
	exec {fd}<&-
	[[ $line == *"$2"* ]]
}

# wait_for_state ID STATE: waits on the server's word for the change; fails when the job ends in another state.
wait_for_state() {
	local i
	for ((i = 0; i < 200; i++)); do
		[ "$(field "$1" .state)" != "$2" ] || return 0
		# A wait that times out: the nearest thing to being told.
		sw wait "$1" --timeout 50ms >/dev/null 2>&1 && break
	done
	check_field "$1" .state "$2"
}

# is_slow: does a sanitizer make everything slower?
is_slow() { grep -qa __asan_init "$SLIPWAY_BIN"; }

# on_terminal COLUMNS CMD…: what it writes to a terminal of that width.
on_terminal() {
	local columns=$1
	shift
	TERM=xterm-256color script -qec "stty cols $columns rows 24 && $(printf '%q ' "$@")" /dev/null </dev/null | tr -d '\r'
}

# why_no_target: why no real target can be made here; nothing if it can.
why_no_target() {
	local suite uri
	command -v mmdebstrap >/dev/null || { echo "mmdebstrap is not installed"; return; }
	# Its worker comes after a server is ready; by the end of a job it has.
	sw run -- true
	[[ $(sw workers --json | jq -r '.[0].isolations | join(" ")') == *chroot* ]] || { echo "no chroots here"; return; }
	# shellcheck disable=SC1091 # the machine's own
	suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	uri=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 2>/dev/null |
		awk -v suite="$suite" '$2 == suite { print $1; exit }')
	[ -n "$uri" ] || { echo "apt knows no source of $suite"; return; }
	/usr/lib/apt/apt-helper download-file "${uri%/}/dists/$suite/InRelease" "$dir/InRelease" >/dev/null 2>&1 ||
		echo "the package mirror cannot be reached"
}
