#!/usr/bin/env bats
# Submitting in SQL, in a transaction of the application's own (docs/SUBMIT.md): the same as POST /v1/jobs.
# shellcheck disable=SC2154,SC2030,SC2031 # lib.bash sets dir, data and db_url; tests are subshells

load lib

setup() {
	make_dir
	start_server --slots 2
	app=app_$db_name
	psql -qX "$db_url" -c "CREATE ROLE $app" -c "GRANT USAGE ON SCHEMA slipway TO $app" \
		-c "GRANT EXECUTE ON FUNCTION slipway.submit(jsonb), slipway.submit_batch(jsonb) TO $app"
}

teardown() {
	[ -z "${session_pid:-}" ] || end_session
	[ -z "${server_pid:-}" ] || stop_server
	psql -qX "$db_url" -c "DROP OWNED BY $app; DROP ROLE $app"
	remove_dir
}

sql() { PGOPTIONS="-c search_path=public ${PGOPTIONS:-}" psql -qXAt -v ON_ERROR_STOP=1 "$db_url" "$@"; }
# as_app STATEMENT…: by somebody who has no other right than to submit.
as_app() { (export PGOPTIONS="-c role=$app"; for text; do set -- "$@" -c "$text"; shift; done; sql "$@"); }

# A session that stays open: `tell STATEMENT` executes one in it and sets $told to what it says.
begin_session() {
	coproc session { PGOPTIONS="-c role=$app" psql -qXAt "$db_url" 2>&1 3>&-; }
	session_pid=$session_PID
	session_in=${session[1]} session_out=${session[0]}
}
tell() {
	printf '%s;\n\\echo .\n' "$1" >&"$session_in"
	hear
}
hear() {
	local line
	told=
	while IFS= read -r -t 60 line <&"$session_out" && [ "$line" != . ]; do
		told+=${told:+ }$line
	done
}
end_session() {
	exec {session_in}>&-
	wait "$session_pid" || :
	session_pid=
}

# Every table that a submission writes, as one text.
all_rows() {
	sql -c "SELECT (SELECT count(*) FROM slipway.job), (SELECT count(*) FROM slipway.event), (SELECT count(*) FROM slipway.need),
		(SELECT count(*) FROM slipway.input), (SELECT count(*) FROM slipway.payload), (SELECT count(*) FROM slipway.lane),
		(SELECT count(*) FROM slipway.string), (SELECT sum(n) FROM slipway.tally)"
}

@test "a transaction that is rolled back leaves nothing; one that is committed leaves a job that runs" {
	sw run -- true
	local before
	before=$(all_rows)
	as_app "BEGIN; SELECT slipway.submit_batch('[{\"argv\":[\"true\"],\"tags\":[\"new\"],\"inputs\":[{\"name\":\"a\",\"size\":1,
		\"sha256\":\"$(printf %064d 1)\"}],\"env\":{\"A\":\"$(printf %02000d 1)\"}},{\"argv\":[\"true\"],\"needs\":[1,\"#1\"]}]'); ROLLBACK"
	[ "$(all_rows)" = "$before" ]
	id=$(as_app "BEGIN; SELECT slipway.submit('{\"argv\":[\"sh\",\"-c\",\"echo from \$W\"],\"env\":{\"W\":\"sql\"}}'); COMMIT")
	# A server looks by itself; a job that it is given makes it look at once.
	sw run -- true
	sw wait "$id"
	[ "$(sw log "$id")" = "from sql" ]
	check_field "$id" .owner "$app"
	[ "$(sw admin check)" = "0 violations" ]
}

@test "every body gives the same rows, events and refusals as through the API" {
	local n type body me
	me=$(id -un)
	sw run -- true
	sw run -- false || :
	sw cancel "$(sw submit --after 1h -- true)" # 3
	sw worker-state "$(sw workers --json | jq -r '.[0].name')" disabled
	# As another user of the server, and as what administrators are here.
	sql -c "DO \$\$ BEGIN CREATE ROLE \"$me\"; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END \$\$" \
		-c "GRANT slipway TO \"$me\"" \
		-c "INSERT INTO slipway.target (name, suite, arch, image, image_bytes, state, updated, job) VALUES
			('there', 's', 'amd64', '', 0, 'making', 1, 1), ('gone', 's', 'amd64', '', 0, 'removed', 1, 1)" \
		-c "CREATE TABLE said (way text, n int, body text, is_batch bool, code text, message text, ids bigint[])" \
		-c "GRANT ALL ON said TO PUBLIC" -c "GRANT CREATE ON SCHEMA public TO PUBLIC"
	[ "$(sw submit -- true)" = 4 ]
	sw suspend 4
	[ "$(sw submit --dedupe live -- true)" = 5 ]
	sw admin owner somebody --zone blue

	jq -nc -f "$BATS_TEST_DIRNAME/submit_bodies.jq" >"$dir/bodies"
	mkdir "$dir/a"
	# For each a file with its body, and one for the answer.
	sed 's/%w/a/g' "$dir/bodies" |
		jq -r '"\(input_line_number) application/\(if .is_batch then "x-nd" else "" end)json \(.bodies | map(tojson) | join("\u0001"))"' |
		while read -r n type body; do
			tr '\1' '\n' <<<"$body" >"$dir/a/$n"
			printf 'next\nunix-socket = "%s"\nurl = "http://localhost/v1/jobs"\nheader = "Content-Type: %s"\ndata-binary = "@%s"\noutput = "%s"\n' \
				"$data/slipway.sock" "$type" "$dir/a/$n" "$dir/a/$n.said"
		done >"$dir/curl"
	curl -sS -K <(sed 1d "$dir/curl")
	jq -r '["a", (input_filename | split("/")[-1] | rtrimstr(".said")), "", false, .error.code, .error.message,
		"{\([.id // empty] + (.ids // []) | map(tostring) | join(","))}"] | @csv' "$dir"/a/*.said >"$dir/said"
	sed 's/%w/b/g' "$dir/bodies" | jq -r '["b", input_line_number, (if .is_batch then .bodies else .bodies[0] end | tojson), .is_batch, null, null, null] | @csv' >>"$dir/said"
	sql -c "\\copy said FROM $dir/said WITH (FORMAT csv)"
	PGOPTIONS="-c role=$me" sql -f "$BATS_TEST_DIRNAME/submit_try.sql"
	sql -c "UPDATE said SET ids = nullif(ids, '{}')"
	sql -f "$BATS_TEST_DIRNAME/submit_compare.sql" >"$dir/differ"
	[ ! -s "$dir/differ" ] || {
		head -c 6000 "$dir/differ" >&2
		return 1
	}
	# And the table is one that says something.
	[ "$(sql -c "SELECT count(*) > 2 FROM slipway.job j JOIN slipway.lane l ON l.id = j.lane WHERE l.tags ~ 'zone:blue'")" = t ]
	[ "$(sql -c "SELECT count(*) > 250 AND count(*) FILTER (WHERE ids IS NULL) > 150 AND count(*) FILTER (WHERE ids IS NOT NULL) > 150 FROM said WHERE way = 'b'")" = t ]
	[ "$(sql -c "SELECT count(DISTINCT state) FROM slipway.job WHERE id > 5")" = 5 ]
	# Nobody has uploaded the inputs.
	! sw admin check | grep -Ev '^input of job|^[0-9]+ violations' || return 1
}

@test "kinds that only a server can check are refused in words; a repeated field is the last one" {
	for kind in build recipe import target; do
		run ! as_app "SELECT slipway.submit('{\"kind\":\"$kind\"}')"
		[[ $output == *"jobs of kind $kind are submitted to a server"* ]]
	done
	run ! as_app "SELECT slipway.submit(NULL)"
	run ! as_app "SELECT slipway.submit_batch('{}')"
	run ! as_app "SELECT slipway.submit_batch('[]')"
	run ! as_app "SELECT slipway.submit(jsonb_build_object('argv', ARRAY['true'], 'env', (SELECT jsonb_object_agg('E' || i, repeat('x', 100000)) FROM generate_series(1, 11) AS i)))"
	[[ $output == *"longer than 1048576 bytes"* ]]
	check_field "$(as_app "SELECT slipway.submit('{\"argv\":[\"true\"],\"name\":\"a\",\"name\":\"b\"}')")" .name b
}

@test "the zone of an owner is that of his jobs in SQL; a limit key is a server's, and refused in words" {
	stop_server
	start_server --slots 1 --zone blue
	sw admin owner "$app" --zone blue
	id=$(as_app "SELECT slipway.submit('{\"argv\":[\"true\"],\"tags\":[\"b\",\"a\"]}')")
	check_field "$id" .zone blue
	[ "$(field "$id" '.tags | join(" ")')" = "a b" ]
	same=$(sw submit --owner "$app" --tag a,b -- true)
	[ "$(sql -c "SELECT count(DISTINCT lane) FROM slipway.job WHERE id IN ($id, $same)")" = 1 ]
	ran=$(as_app "SELECT slipway.submit('{\"argv\":[\"true\"],\"limit_key\":null}')")
	sw run --owner "$app" -- true
	sw wait "$ran"
	# What was there keeps its zone, and nobody is in the new one.
	sw admin owner "$app" --zone red
	away=$(as_app "SELECT slipway.submit('{\"argv\":[\"true\"]}')")
	check_field "$away" .zone red
	check_field "$id" .zone blue
	run sw why "$away"
	[[ $output == *"is in another trust zone"* ]]
	run ! as_app '\set VERBOSITY verbose' "SELECT slipway.submit('{\"argv\":[\"true\"],\"limit_key\":{\"name\":\"k\"}}')"
	[[ $output == *"0A000"*"limit_key: jobs with a limit key are submitted to a server, not in SQL"* ]]
	sw admin owner "$app" --zone default
	check_field "$(as_app "SELECT slipway.submit('{\"argv\":[\"true\"]}')")" .zone ""
	[ "$(sw admin check)" = "0 violations" ]
}

@test "who may execute submit may do nothing else, and submits as himself" {
	run ! as_app "SELECT count(*) FROM slipway.job"
	[[ $output == *"permission denied"* ]]
	run ! as_app "SELECT slipway.take_ids(1)"
	[[ $output == *"permission denied"* ]]
	run ! as_app "SELECT slipway.submit_lines('{}', 'root')"
	[[ $output == *"permission denied"* ]]
	run ! as_app "SELECT slipway.submit('{\"argv\":[\"true\"],\"owner\":\"root\"}')"
	[[ $output == *"$app may not submit for root"* ]]
	check_field "$(as_app "SELECT slipway.submit('{\"argv\":[\"true\"],\"owner\":\"$app\"}')")" .owner "$app"
	sql -c "GRANT slipway TO $app"
	check_field "$(as_app "SELECT slipway.submit('{\"argv\":[\"true\"],\"owner\":\"ada\"}')")" .owner ada
	sql -c "REVOKE slipway FROM $app" -c "GRANT CREATE ON SCHEMA public TO $app"
	# What a caller makes in front of the schema is not what the function finds.
	id=$(as_app "CREATE TEMP TABLE string (id bigint, text text); CREATE TEMP TABLE lane (LIKE string);
		CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE sql AS \$\$ SELECT 'hers' \$\$;
		SET search_path = pg_temp, public, slipway; SELECT slipway.submit('{\"argv\":[\"true\"]}')")
	check_field "$id" .owner "$app"
	[ "$(sw admin check)" = "0 violations" ]
}

@test "while a transaction is open, servers take no notice of it: they submit, run and end jobs" {
	sql -c "INSERT INTO slipway.tally SELECT 1, state, part, 0 FROM generate_series(1, 3) AS state, generate_series(0, 15) AS part
		ON CONFLICT DO NOTHING"
	begin_session
	tell "BEGIN; SELECT slipway.submit('{\"argv\":[\"true\"]}')"
	open=$told
	[ "$open" = 1 ]
	tell "SELECT slipway.submit_batch('[{\"argv\":[\"true\"]},{\"argv\":[\"true\"],\"needs\":[\"#1\"]}]')"
	sw run -- true
	run -4 sw show "$open"
	# No count that a server adds to is locked.
	sql -c "SELECT 1 FROM slipway.tally WHERE part < 16 FOR UPDATE NOWAIT" >/dev/null
	id=$(sw submit -- true)
	sw wait "$id"
	tell COMMIT
	sw run -- true
	sw wait 1 2 3
	# A part that is free is used again.
	tell "SELECT slipway.submit('{\"argv\":[\"true\"]}') FROM generate_series(1, 5)"
	[ "$(sql -c "SELECT count(*) FROM slipway.tally WHERE part >= 16")" -le 2 ]
	[ "$(sw admin check)" = "0 violations" ]
}

@test "two transactions with one dedupe key: the second waits for the first and is told its job" {
	begin_session
	tell "BEGIN; SELECT slipway.submit('{\"argv\":[\"true\"],\"suspended\":true,\"dedupe\":\"k\"}')"
	first=$told
	as_app "SELECT slipway.submit('{\"argv\":[\"true\"],\"suspended\":true,\"dedupe\":\"k\"}')" >"$dir/second" 3>&- &
	second=$!
	until [ "$(sql -c "SELECT count(*) FROM pg_stat_activity WHERE datname = '$db_name' AND wait_event_type = 'Lock'")" = 1 ]; do
		kill -0 "$second"
	done
	tell COMMIT
	wait "$second"
	[ "$(cat "$dir/second")" = "$first" ]
	[ "$(sql -c "SELECT count(*) FROM slipway.job")" = 1 ]
	# With a snapshot of before, the answer cannot be seen.
	tell "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1"
	as_app "SELECT slipway.submit('{\"argv\":[\"true\"],\"dedupe\":\"l\",\"suspended\":true}')"
	tell "SELECT slipway.submit('{\"argv\":[\"true\"],\"dedupe\":\"l\"}')"
	[[ $told == *"another transaction has just used the same key"* ]]
	tell ROLLBACK
	[ "$(sw admin check)" = "0 violations" ]
}

@test "a call that fails in the midst of taking numbers leaves no lock behind" {
	begin_session
	sql -c "ALTER SEQUENCE slipway.job_number MAXVALUE 2" -c "SELECT setval('slipway.job_number', 2)" >/dev/null
	tell "SELECT slipway.submit('{\"argv\":[\"true\"]}')"
	[[ $told == *"maximum value"* ]]
	# Of this session: others hold theirs for a moment.
	tell "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
	[ "$told" = 0 ]
	sql -c "ALTER SEQUENCE slipway.job_number NO MAXVALUE"
	sw run -- true
}

# example LANGUAGE WHO: the blocks of the page that say so.
example() { awk -v start="\`\`\`$1${2:+ $2}" '/^```$/ { on = 0 } on; $0 == start { on = 1 }' "$BATS_TEST_DIRNAME/../../docs/SUBMIT.md"; }

@test "the examples of docs/SUBMIT.md work as printed" {
	sql -c "DROP ROLE IF EXISTS shop"
	example sql >"$dir/once.sql"
	example sql shop >"$dir/shop.sql"
	sql -f "$dir/once.sql"
	id=$(PGOPTIONS='-c role=shop' sql -f "$dir/shop.sql")
	sw run -- true
	sw wait "$id"
	[ "$(sw log "$id")" = "order 1" ]
	ids=
	for python in python3 /usr/bin/python3; do
		! "$python" -c 'import psycopg2' 2>/dev/null || break
		python=
	done
	if [ -n "$python" ]; then
		example python shop >"$dir/shop.py"
		ids=$(PGOPTIONS='-c role=shop' DATABASE=$db_url "$python" "$dir/shop.py" | tr -d '[],')
		sw run -- true
		# shellcheck disable=SC2086 # two numbers
		sw wait $ids
		[ "$(sw log "${ids#* }")" = "send order 2" ]
	fi
	[ "$(sql -c "SELECT string_agg(item, ' ' ORDER BY id) FROM orders")" = "anchor${ids:+ rope}" ]
	sql -c "DROP OWNED BY shop" -c "DROP ROLE shop"
	[ -n "$ids" ] || skip "python3-psycopg2 is not installed: the example in Python was not tried"
}
