#!/usr/bin/env bats
# What is so only where the database is a file in the data folder.
# shellcheck disable=SC2154,SC2030,SC2031 # lib.bash sets dir and data; tests are subshells

load lib

setup() {
	make_dir
	start_server --slots 2
}

teardown() {
	[ -z "${server_pid:-}" ] || stop_server
	remove_dir
}

@test "admin check works on a folder whose server does not run" {
	sw run -- true
	run -4 sw admin check --data "$data"
	stop_server
	server_pid=
	[ "$(sw admin check --data "$data")" = "0 violations" ]
	sw admin migrate --data "$data"
	run -4 sw admin check --data "$dir/nowhere"
	[ ! -e "$dir/nowhere" ]
}

@test "a database that is no database is refused and left alone" {
	stop_server
	server_pid=
	rm -f "$data"/slipway.db-*
	echo "this is not a database, and it is somebody's" >"$data/slipway.db"
	cp "$data/slipway.db" "$dir/before"
	run -4 timeout 20 "$SLIPWAY_BIN" serve --data "$data"
	[[ $output == *slipway.db* ]]
	cmp "$data/slipway.db" "$dir/before"
}
