#!/usr/bin/env bats
# admin backup and restore. A backup is of one moment while everything goes on; a restore is whole or not there.
# shellcheck disable=SC2154,SC2030,SC2031 # lib.bash sets dir, data and db_url; tests are subshells

load lib

setup() {
	make_dir
	start_server --slots 2
	new=$dir/new
}

teardown() {
	[ -z "${loader:-}" ] || kill "$loader" 2>/dev/null || :
	[ -z "${server_pid:-}" ] || stop_server
	[ -z "${new_db:-}" ] || psql -qX "$SLIPWAY_TEST_PG" -c "DROP DATABASE $new_db WITH (FORCE)"
	remove_dir
}

# An empty place for a restore: $new, and on PostgreSQL the database $new_url.
make_place() {
	rm -rf "$new"
	[ -n "${db_url:-}" ] || return 0
	[ -z "${new_db:-}" ] || psql -qX "$SLIPWAY_TEST_PG" -c "DROP DATABASE $new_db WITH (FORCE)"
	new_db=n$$_$RANDOM
	psql -qX "$SLIPWAY_TEST_PG" -c "CREATE DATABASE $new_db"
	new_url=${SLIPWAY_TEST_PG/\/postgres?//$new_db?}
}
restore() { sw admin restore --from "$1" --data "$new" ${new_url:+--db "$new_url"}; }
check_new() { [ "$(sw admin check --data "$new" ${new_url:+--db "$new_url"})" = "0 violations" ]; }
# The server goes; one on the new place answers in its stead.
serve_new() {
	stop_server
	data=$new
	[ -z "${new_url:-}" ] || { db_url=$new_url; }
	export SLIPWAY_SERVER=unix:$data/slipway.sock
	start_server "$@"
}

@test "a backup in the midst of submits: what was acknowledged before it is in it, and all of it is whole" {
	sw run -- echo short
	long=$(sw submit --collect x --env A=b -- sh -c 'seq 20000; seq 9 >$SLIPWAY_OUT/x')
	sw wait "$long"
	printf '{"argv":["true"],"suspended":true}\n%.0s' {1..10000} >"$dir/batch"
	head -50 "$dir/batch" >"$dir/small"
	(while sw submit --batch "$dir/small" >/dev/null 2>&1; do :; done) 3>&- &
	loader=$!
	sw submit --batch "$dir/batch" >"$dir/known"
	sw admin backup "$dir/b"
	kill "$loader"
	wait "$loader" || :
	loader=
	make_place
	restore "$dir/b"
	check_new
	sw log "$long" >"$dir/log"
	jobs=$(jq .tables.job.rows "$dir/b/manifest.json")
	serve_new --slots 1
	[ "$(sw status --json | jq '[.jobs[]] | add')" = "$jobs" ]
	[ "$jobs" -ge "$(tail -1 "$dir/known")" ]
	check_field "$(tail -1 "$dir/known")" .state suspended
	check_field 1 .state succeeded
	[ "$(sw log 1)" = short ]
	sw log "$long" | cmp - "$dir/log"
	sw fetch "$long" -o "$dir/out"
	[ "$(cat "$dir/out/x")" = "$(seq 9)" ]
	# Numbers go on above the highest, of jobs and of all else.
	[ "$(sw submit --tag new --owner somebody -- true)" = $((jobs + 1)) ]
	sw run --tag "" -- true || sw run -- true
	[ "$(sw admin check)" = "0 violations" ]
}

@test "what ran at the time of the backup waits again, and is run" {
	id=$(sw submit -- sh -c 'echo begun; [ "$SLIPWAY_ATTEMPT" -ge 2 ] || sleep 1000')
	log_until "$id" begun
	sw admin backup "$dir/b"
	sw cancel "$id"
	sw wait "$id" || :
	make_place
	restore "$dir/b"
	check_new
	serve_new --slots 1
	sw wait "$id"
	check_field "$id" .attempt 2
	[ "$(sw show --json "$id" | jq -r '.attempts[0] | .outcome + ": " + .detail')" = "released: the installation was restored from a backup" ]
}

# feed PATH BODY [QUERY]: a call of the worker w; gives the status, the answer is in $dir/answer.
feed() {
	curl -sS --unix-socket "$data/slipway.sock" -H "Slipway-Worker: w" -H "Slipway-Session: $session" -o "$dir/answer" \
		-w '%{http_code}' -X "${method:-POST}" --data-binary "$2" "http://localhost/feed/$1"
}
register() {
	feed register "{\"name\":\"w\",\"machine\":\"m\",\"boot_id\":\"b\",\"session\":\"$session\",\"version\":\"0\",\"arch\":\"amd64\",\"isolations\":[\"none\"],\"tags\":[],\"slots\":1,\"pid\":1}"
}

@test "a worker that holds an attempt from before a restore can write nothing for it" {
	stop_server
	start_server --slots 0
	session=$(printf %032d 1)
	[ "$(register)" = 200 ]
	id=$(sw submit -- true)
	sw admin backup "$dir/b"
	# After the backup it is given out; the backup knows nothing of it.
	[ "$(feed lease '{"free":1,"wait_ms":10000}')" = 200 ]
	[ "$(jq -c '.specs[0] | [.job, .attempt]' "$dir/answer")" = "[$id,1]" ]
	make_place
	restore "$dir/b"
	serve_new --slots 0
	result="{\"free\":0,\"wait_ms\":0,\"results\":[{\"job\":$id,\"attempt\":1,\"outcome\":\"succeeded\",\"reason\":\"\",\"exit_code\":0,\"signal\":0,\"log_bytes\":0}]}"
	before=$(sw show --json "$id")
	for call in "lease $result" "beat {\"running\":[[$id,1]],\"collecting\":[]}" "log?job=$id&attempt=1&offset=0 text" "leave {}"; do
		[ "$(feed "${call%% *}" "${call#* }")" = 409 ]
	done
	[ "$(method=PUT feed "artifact?job=$id&attempt=1&sha256=$(printf text | sha256sum | cut -c 1-64)" text)" = 409 ]
	[ "$(sw show --json "$id")" = "$before" ]
	# Given out anew, with the same number of the attempt, to another session: still nothing.
	session=$(printf %032d 2)
	[ "$(register)" = 200 ]
	[ "$(feed lease '{"free":1,"wait_ms":10000}')" = 200 ]
	[ "$(jq -c '.specs[0] | [.job, .attempt]' "$dir/answer")" = "[$id,1]" ]
	before=$(sw show --json "$id")
	session=$(printf %032d 1)
	[ "$(feed lease "$result")" = 409 ]
	[ "$(sw show --json "$id")" = "$before" ]
	session=$(printf %032d 2)
	[ "$(feed lease "$result")" = 200 ]
	check_field "$id" .state succeeded
	[ "$(sw admin check)" = "0 violations" ]
}

@test "a worker that runs an attempt from before a restore kills it, and runs what it is given then" {
	local old=$data/slipway.sock mark=1000.$$$RANDOM
	stop_server
	start_server --slots 0
	"$SLIPWAY_BIN" worker --server "unix:$old" --slots 1 --work "$dir/work" 2>"$dir/worker.err" 3>&- &
	worker=$!
	id=$(sw submit --suspended -- sh -c "echo begun \$SLIPWAY_ATTEMPT; exec sleep $mark")
	sw admin backup "$dir/b"
	sw resume "$id"
	log_until "$id" "begun 1"
	kill -KILL "$server_pid"
	wait "$server_pid" || :
	make_place
	restore "$dir/b"
	data=$new
	[ -z "${new_url:-}" ] || db_url=$new_url
	rm -f "$old"
	start_server --slots 0 --listen "unix:$old"
	sw resume "$id"
	# The same number of the attempt, but it is another one.
	log_until "$id" "begun 1"
	[ "$(pgrep -c -f "^sleep $mark\$")" = 1 ]
	sw cancel "$id"
	sw wait "$id" || :
	check_field "$id" .state cancelled
	kill "$worker"
	wait "$worker" || :
	! pgrep -f "^sleep $mark\$" || return 1
}

@test "a restore takes nothing that is not what the manifest says, and nothing into what is there" {
	sw run --collect x -- sh -c 'echo x >$SLIPWAY_OUT/x'
	sw admin backup "$dir/b"
	run -4 sw admin backup "$dir/b"
	[[ $output == *"not empty"* ]]
	run -4 sw admin restore --from "$dir/b" --data "$data" ${db_url:+--db "$db_url"}
	make_place
	cp -a "$dir/b" "$dir/c"
	rm "$dir/c/manifest.json"
	run -4 restore "$dir/c"
	[[ $output == *"no whole backup"* ]]
	cp "$dir/b/manifest.json" "$dir/c"
	for change in '1d' '1s/,0,/,1,/' '$p'; do
		cp "$dir/b/event.jsonl" "$dir/c/event.jsonl"
		sed -i "$change" "$dir/c/event.jsonl"
		run -4 restore "$dir/c"
		[[ $output == *"event"* ]]
		run -4 timeout 20 "$SLIPWAY_BIN" serve --data "$new" ${new_url:+--db "$new_url"} --slots 0
		[[ $output == *"has not ended"* ]]
	done
	cp "$dir/b/event.jsonl" "$dir/c/event.jsonl"
	jq -c '.schema = 99' "$dir/b/manifest.json" >"$dir/c/manifest.json"
	run -4 restore "$dir/c"
	cp "$dir/b/manifest.json" "$dir/c"
	blob=$(printf 'x\n' | sha256sum | cut -c 1-64)
	rm -f "$dir/c/blobs/$blob" "$new/blobs/$blob"
	echo y >"$dir/c/blobs/$blob"
	run -4 restore "$dir/c"
	[[ $output == *"another content"* ]]
	rm "$new/blobs/$blob"
	restore "$dir/b"
	check_new
	[ ! -e "$new/restoring" ]
}

@test "kill -9 in the midst of a backup and of a restore: whole, or to be done again" {
	printf '{"argv":["true"],"suspended":true}\n%.0s' {1..20000} >"$dir/batch"
	sw submit --batch "$dir/batch" >/dev/null
	for at in string job event; do
		sw admin backup "$dir/$at" >/dev/null 2>&1 3>&- &
		until [ -e "$dir/$at/$at.jsonl" ]; do :; done
		kill -KILL "$server_pid"
		wait "$server_pid" || :
		wait
		start_server --slots 2
		make_place
		if [ -e "$dir/$at/manifest.json" ]; then restore "$dir/$at"; else run -4 restore "$dir/$at"; fi
	done
	sw admin backup "$dir/b"
	make_place
	for _ in 1 2 3; do
		"$SLIPWAY_BIN" admin restore --from "$dir/b" --data "$new" ${new_url:+--db "$new_url"} >/dev/null 2>&1 3>&- &
		restorer=$!
		until [ -e "$new/restoring" ] && { [ -e "$new/slipway.db.new" ] || [ -n "${new_url:-}" ]; }; do kill -0 "$restorer" 2>/dev/null || break; done
		kill -KILL "$restorer" || :
		wait "$restorer" || :
		[ -e "$new/restoring" ]
		run -4 timeout 20 "$SLIPWAY_BIN" serve --data "$new" ${new_url:+--db "$new_url"} --slots 0
		[[ $output == *"has not ended"* ]]
	done
	restore "$dir/b"
	check_new
	[ "$(sw admin check)" = "0 violations" ]
}

@test "every table and every column is in a backup" {
	# That both databases have the same tables is for unit/store/postgres to say.
	[ -z "${db_url:-}" ] || return 0
	need=$(sw submit --collect x --input "$BATS_TEST_FILENAME" -- sh -c 'echo x | tee $SLIPWAY_OUT/x')
	sw submit --need "$need" --env "A=$(printf %02000d 1)" -- true
	sw wait "$need"
	sw token create --role reader --name ann >/dev/null
	stop_server
	server_pid=
	sqlite3 "$data/slipway.db" "INSERT INTO target VALUES (1, 't', 's', 'a', '', 0, 'failed', 1, 1);
		INSERT INTO build VALUES (1, 'x', 'y', 'z'); INSERT INTO recipe VALUES (1, 'x');
		INSERT INTO owner VALUES (1, 2, 3, 'x'); INSERT INTO limit_key VALUES (1, 1, 'k', 1, 0);
		INSERT INTO duration VALUES (7, 1, 2, 'x', 3, 4, 5, 6, 7, 8); INSERT INTO forecast VALUES (1, 2, 3, 4)"
	sw admin backup --data "$data" "$dir/b"
	[ "$(cd "$dir/b" && printf '%s\n' *.jsonl tally.jsonl | sort)" = \
		"$(sqlite3 "$data/slipway.db" "SELECT name || '.jsonl' FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'" | sort)" ]
	for table in "$dir"/b/*.jsonl; do
		name=$(basename "$table" .jsonl)
		[ -s "$table" ]
		# Bytes are base64 in the one and hexadecimal digits in the other.
		columns=$(sqlite3 "$data/slipway.db" "SELECT group_concat(CASE type WHEN 'BLOB' THEN 'hex(' || name || ')' ELSE name END) FROM pragma_table_info('$name')")
		sqlite3 "$data/slipway.db" "SELECT json_array($columns) FROM $name" | jq -c . | sort >"$dir/rows"
		while read -r row; do
			[ "$name" != attempt_log ] || row=$(jq -c --arg hex "$(jq -r '.[2]' <<<"$row" | base64 -d | od -An -v -tx1 | tr -d ' \n' | tr a-f A-F)" '.[2] = $hex' <<<"$row")
			printf '%s\n' "$row"
		done <"$table" | jq -c . | sort | diff "$dir/rows" -
	done
}
