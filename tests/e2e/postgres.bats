#!/usr/bin/env bats
# What is so only where the database is a server: several servers share it, and it can go away and come back.
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

@test "status says which database it is, and nobody's password" {
	[ "$(sw status --json | jq -r .database)" = postgresql ]
	[[ $(sw status --json) != *postgresql:* ]]
}

@test "admin check and migrate, while a server runs and while none does" {
	sw run -- true
	[ "$(sw admin check --data "$data" --db "$db_url")" = "0 violations" ]
	sw admin migrate --data "$data" --db "$db_url"
	stop_server
	server_pid=
	[ "$(sw admin check --data "$data" --db "$db_url")" = "0 violations" ]
}

@test "a database that has no schema, one of somebody else, one of a newer version" {
	local own_name=$db_name other=$dir/other
	local -x SLIPWAY_SERVER=unix:$other/slipway.sock
	mkdir "$other"
	make_database
	run -4 sw admin check --data "$other" --db "$db_url"
	[[ $output == *"no schema"* ]]
	psql -qX "$db_url" -c 'CREATE SCHEMA slipway; CREATE TABLE slipway.job (id int)'
	run -4 timeout 20 "$SLIPWAY_BIN" serve --data "$other" --db "$db_url"
	[[ $output == *"another program"* ]]
	[ "$(psql -qXAt "$db_url" -c "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'slipway'")" = 1 ]
	psql -qX "$db_url" -c 'DROP SCHEMA slipway CASCADE'
	sw admin migrate --data "$other" --db "$db_url"
	psql -qX "$db_url" -c "UPDATE slipway.meta SET value = '99' WHERE name = 'version'"
	run -4 timeout 20 "$SLIPWAY_BIN" serve --data "$other" --db "$db_url"
	[[ $output == *"newer version"* ]]
	psql -qX "$SLIPWAY_TEST_PG" -c "DROP DATABASE $db_name WITH (FORCE)"
	db_name=$own_name
}

@test "no database answers: commands say so, and a server that starts waits for it" {
	local other=$dir/other cluster=/tmp/slpo.$$ url
	mkdir "$other"
	run -3 sw admin check --data "$other" --db "postgresql:///x?host=$dir"
	[[ $output == *"$dir"* ]]
	url=$("$SLIPWAY_SRC/tests/pg" start "$cluster" 3>&-)
	"$SLIPWAY_SRC/tests/pg" crash "$cluster"
	mkfifo "$other/says" "$other/ready"
	exec {says}<>"$other/says" {ready}<>"$other/ready"
	"$SLIPWAY_BIN" serve --data "$other" --db "$url" --slots 0 >"$other/ready" 2>"$other/says" 3>&- &
	read -r -t 60 line <&"$says"
	[[ $line == *"waiting for the database"*"$cluster"* ]]
	"$SLIPWAY_SRC/tests/pg" again "$cluster" 3>&-
	read -r -t 60 line <&"$ready"
	[[ $line == ready* ]]
	kill -TERM $!
	wait $!
	"$SLIPWAY_SRC/tests/pg" stop "$cluster"
	# One that was told to end does not wait any longer.
	timeout --preserve-status -s INT 1 "$SLIPWAY_BIN" serve --data "$other" --db "$url" --slots 0 2>"$other/words" || [ $? -eq 3 ]
	grep -q "ended before" "$other/words"
}

@test "connections that are cut are made anew" {
	first=$(sw submit -- true)
	sw wait "$first"
	for i in 1 2 3 4 5; do
		psql -qXAt "$db_url" -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'slipway' AND datname = '$db_name'" >/dev/null
		sw list >/dev/null
		id=$(sw submit --dedupe "key $i" -- true)
		sw wait "$id"
	done
	[ "$(sw list --json | jq length)" = 6 ]
	[ "$(sw admin check)" = "0 violations" ]
}
