#!/usr/bin/env bats
# admin move: a whole installation from one database to the other.
# shellcheck disable=SC2154,SC2030,SC2031 # lib.bash sets dir, data and db_url; tests are subshells

load lib

# An installation on SQLite with something of everything, and an empty database for it.
setup() {
	local url
	make_dir
	url=$db_url
	db_url=
	start_server --slots 2
	db_url=$url
	sw run --name short -- echo short
	sw submit --collect x --env "A=$(printf %02000d 1)" -- sh -c 'seq 20000; seq 9 >$SLIPWAY_OUT/x'
	sw submit --need 2 --dedupe k --priority 7 -- true
	sw wait 3
	sw run -- false || :
	sw submit --need 4 -- true
	sw submit --after 1h --tag t -- true
	sw submit -- sleep 1000
	sw log 2 >"$dir/log"
}

teardown() {
	[ -z "${server_pid:-}" ] || stop_server
	remove_dir
}

# The rows of two backups are the same, but for the sessions of workers and the servers they were at.
same_rows() {
	diff -r -x manifest.json -x worker.jsonl "$1" "$2"
	diff <(jq -c 'del(.[4, 5, 15])' "$1/worker.jsonl") <(jq -c 'del(.[4, 5, 15])' "$2/worker.jsonl")
}

@test "from SQLite to PostgreSQL and back: every row and every file" {
	run -4 sw admin move --from "sqlite:$data" --to "$db_url"
	[[ $output == *"in use by process"* ]]
	[ "$(psql -qXAt "$db_url" -c "SELECT count(*) FROM pg_namespace WHERE nspname = 'slipway'")" = 0 ]
	stop_server
	sw admin backup "$dir/copy_a" --data "$data"
	sw admin move --from "sqlite:$data" --to "$db_url"
	[ ! -e "$data/move.tmp" ]
	[ "$(sw admin check --data "$data" --db "$db_url")" = "0 violations" ]
	sw admin backup "$dir/copy_b" --data "$data" --db "$db_url"
	same_rows "$dir/copy_a" "$dir/copy_b"
	run -4 sw admin move --from "sqlite:$data" --to "$db_url"
	[[ $output == *"already"* ]]

	start_server --slots 2
	[ "$(sw log 1)" = short ]
	sw log 2 | cmp - "$dir/log"
	sw fetch 2 -o "$dir/out"
	[ "$(cat "$dir/out/x")" = "$(seq 9)" ]
	[ "$(sw submit --tag other -- true)" = 8 ]
	[ "$(sw submit --dedupe k -- true)" = 9 ]
	[ "$(psql -qXAt "$db_url" -c "SELECT slipway.submit('{\"argv\":[\"true\"]}')")" = 10 ]
	sw cancel 7
	sw wait 9 || :
	[ "$(sw admin check)" = "0 violations" ]
	run -4 sw admin move --from "$db_url" --to "sqlite:$dir/back" --data "$data"
	[[ $output == *"in use"* ]]
	stop_server
	server_pid=
	sw admin backup "$dir/copy_c" --data "$data" --db "$db_url"
	sw admin move --from "$db_url" --to "sqlite:$dir/back" --data "$data"
	[ "$(sw admin check --data "$dir/back")" = "0 violations" ]
	sw admin backup "$dir/copy_d" --data "$dir/back"
	same_rows "$dir/copy_c" "$dir/copy_d"
}

@test "a move that is killed leaves the first as it was, nothing of the second, and can be done again" {
	printf '{"argv":["true"],"suspended":true}\n%.0s' {1..20000} >"$dir/batch"
	sw submit --batch "$dir/batch" >/dev/null
	stop_server
	server_pid=
	for file in string.jsonl event.jsonl manifest.json; do
		"$SLIPWAY_BIN" admin move --from "sqlite:$data" --to "$db_url" >/dev/null 2>&1 3>&- &
		mover=$!
		until [ -e "$data/move.tmp/$file" ]; do kill -0 "$mover"; done
		kill -KILL "$mover"
		wait "$mover" || :
		[ "$(psql -qXAt "$db_url" -c "SELECT count(*) FROM pg_namespace WHERE nspname = 'slipway'")" = 0 ]
		[ "$(sw admin check --data "$data")" = "0 violations" ]
	done
	sw admin move --from "sqlite:$data" --to "$db_url"
	[ "$(sw admin check --data "$data" --db "$db_url")" = "0 violations" ]
	[ "$(psql -qXAt "$db_url" -c "SELECT count(*) FROM slipway.job")" = 20007 ]
}
