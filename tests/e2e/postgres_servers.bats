#!/usr/bin/env bats
# Several servers on one database: a and b share the folder of files. What is said to one holds at the other.
# shellcheck disable=SC2154,SC2030,SC2031 # lib.bash sets dir and data; tests are subshells

load lib

setup() {
	make_dir
	declare -gA pids=()
	mkdir "$dir/files"
}

teardown() {
	local name
	for name in "${!pids[@]}"; do
		stop_peer "$name"
	done
	if grep -E 'Sanitizer|runtime error|internal error' "$dir"/*.err >&2; then return 1; fi
	data=$dir/none check_nothing_is_left
	remove_dir
}

# start_peer NAME [OPTION…]: a server whose data folder is $dir/NAME; returns when it answers.
start_peer() {
	local name=$1 line=
	shift
	rm -f "$dir/ready"
	mkfifo "$dir/ready"
	"$SLIPWAY_BIN" serve --data "$dir/$name" --files "$dir/files" --db "$db_url" "$@" >"$dir/ready" 2>>"$dir/$name.err" 3>&- &
	pids[$name]=$!
	read -r -t 60 line <"$dir/ready" || :
	[[ $line == ready* ]] || {
		cat "$dir/$name.err" >&2
		return 1
	}
}

stop_peer() {
	kill -TERM "${pids[$1]}"
	wait "${pids[$1]}"
	unset "pids[$1]"
}

kill_peer() {
	kill -KILL "${pids[$1]}"
	wait "${pids[$1]}" || :
	unset "pids[$1]"
}

# start_worker NAME SERVER…: in the order given.
start_worker() {
	local name=$1 peer servers=()
	shift
	for peer; do
		servers+=(--server "unix:$dir/$peer/slipway.sock")
	done
	"$SLIPWAY_BIN" worker --name "$name" --slots 2 --work "$dir/w-$name" "${servers[@]}" 2>>"$dir/w-$name.err" 3>&- &
	pids[$name]=$!
}

# at NAME COMMAND…
at() {
	local SLIPWAY_SERVER=unix:$dir/$1/slipway.sock
	export SLIPWAY_SERVER
	shift
	sw "$@"
}

# A job that says "started" and goes on when $dir/go is there.
# shellcheck disable=SC2016 # the job's
held_job='echo started; while [ ! -e "$GO" ]; do sleep 0.02; done; echo finished'

@test "each server has a name of its own, also for its worker; both are told apart after a new start" {
	start_peer a --slots 1
	start_peer b --slots 1
	[ "$(at a run -- sh -c 'echo hello')" = hello ]
	[ "$(at b run -- sh -c 'echo hello')" = hello ]
	at a workers --json | jq -r '.[].name' >"$dir/names"
	[ "$(sort -u "$dir/names" | wc -l)" = 2 ]
	stop_peer b
	start_peer b --slots 1
	at b run -- true
	[ "$(at a workers --json | jq -r '.[].name' | sort)" = "$(sort "$dir/names")" ]
	run -4 timeout 20 "$SLIPWAY_BIN" worker --name "$(head -1 "$dir/names")" --work "$dir/w" \
		--server "unix:$dir/a/slipway.sock" --server "unix:$dir/none"
	[[ $output == *"own worker"* ]]
}

@test "a data folder belongs to one server, a folder of files to all on one database" {
	start_peer a --slots 0
	run -4 timeout 20 "$SLIPWAY_BIN" serve --data "$dir/a" --files "$dir/files" --db "$db_url" --listen "unix:$dir/s"
	[[ $output == *"in use by process"* ]]
	mkdir "$dir/empty"
	run -4 timeout 20 "$SLIPWAY_BIN" serve --data "$dir/b" --files "$dir/empty" --db "$db_url"
	[[ $output == *"is not the one where"*"--files"* ]]
	[ -z "$(ls "$dir/empty")" ]
	local name=$db_name url=$db_url
	make_database
	run -4 timeout 20 "$SLIPWAY_BIN" serve --data "$dir/b" --files "$dir/files" --db "$db_url"
	psql -qX "$SLIPWAY_TEST_PG" -c "DROP DATABASE $db_name WITH (FORCE)"
	db_name=$name db_url=$url
	[[ $output == *"of another database"* ]]
	run -4 timeout 20 "$SLIPWAY_BIN" serve --data "$dir/b" --files "$dir/files"
	[[ $output == *"PostgreSQL"* ]]
}

@test "what one server stored the other gives" {
	start_peer a --slots 1
	start_peer b --slots 0
	# shellcheck disable=SC2016 # the job's
	id=$(at a submit --collect out.txt -- sh -c 'seq 2000; echo kept >$SLIPWAY_OUT/out.txt')
	at a wait "$id"
	[ "$(at b log "$id" | tail -1)" = 2000 ]
	[ "$(at b fetch "$id" -o - out.txt)" = kept ]
	[ "$(at b admin check)" = "0 violations" ]
}

@test "a worker goes on at another server when its own is killed, and nothing is lost" {
	start_peer a --slots 0
	start_peer b --slots 0
	start_worker w a b
	id=$(at a submit --env "GO=$dir/go" -- sh -c "$held_job")
	SLIPWAY_SERVER=unix:$dir/a/slipway.sock log_until "$id" started
	kill_peer a
	touch "$dir/go"
	at b wait "$id"
	[ "$(at b show --json "$id" | jq -c '[.attempt, .losses, .failures, (.attempts | length)]')" = "[1,0,0,1]" ]
	[ "$(at b log "$id" | tail -1)" = finished ]
	[ "$(at b workers --json | jq -c '[.[] | select(.name == "w") | .online, .failures]')" = "[true,0]" ]
	# And back again.
	start_peer a --slots 0
	kill_peer b
	SLIPWAY_SERVER="unix:$dir/b/slipway.sock, unix:$dir/a/slipway.sock" sw run -- true
}

@test "a worker leaves a server that hangs in time to keep what it runs" {
	start_peer a --slots 0 --lease 4s
	start_peer b --slots 0 --lease 4s
	start_worker w a b
	id=$(at a submit --env "GO=$dir/go" -- sh -c "$held_job")
	SLIPWAY_SERVER=unix:$dir/a/slipway.sock log_until "$id" started
	kill -STOP "${pids[a]}"
	# It is b's when b says that it is online; the lease would be over by then if a had been waited for.
	until [ "$(at b workers --json | jq -c '[.[] | select(.name == "w") | .server]')" = "[\"$(at b status --json | jq -r .name)\"]" ]; do
		at b wait "$id" --timeout 100ms || :
	done
	touch "$dir/go"
	at b wait "$id"
	kill -CONT "${pids[a]}"
	[ "$(at a show --json "$id" | jq -c '[.attempt, .losses]')" = "[1,0]" ]
}

# in_time MS COMMAND…: it must not take longer. A sanitizer is given more.
in_time() {
	local limit=$1 from to status=0
	shift
	! is_slow || limit=$((limit * 10))
	from=$(date +%s%3N)
	"$@" || status=$?
	to=$(date +%s%3N)
	[ $((to - from)) -le "$limit" ] || {
		echo "$* took $((to - from)) ms" >&2
		return 99
	}
	return "$status"
}

@test "a job submitted at one is run by the other's worker at once, and both can wait for it" {
	start_peer a --slots 0
	start_peer b --slots 1
	# The worker is there, and waits.
	at b run -- true
	at a workers >/dev/null
	for _ in 1 2 3 4 5 6 7 8; do
		in_time 500 at a run -- true
	done
}

@test "a log is followed, a job is cancelled, held back and moved from the other server" {
	start_peer a --slots 1
	start_peer b --slots 0
	id=$(at b submit --env "GO=$dir/go" -- sh -c "$held_job")
	# log_until's follower is b's, the worker's server is a.
	SLIPWAY_SERVER=unix:$dir/b/slipway.sock log_until "$id" started
	next=$(at a submit -- true)
	at b suspend "$next"
	[ "$(at a show --json "$next" | jq -r .state)" = suspended ]
	at b resume "$next"
	at b priority "$next" 7
	[ "$(at a show --json "$next" | jq -r .priority)" = 7 ]
	at b cancel "$id"
	run -1 in_time 3000 at b wait "$id"
	[ "$(at a show --json "$id" | jq -r .state)" = cancelled ]
	in_time 1000 at b wait "$next"
}

@test "a line in a log is seen at the other server within 300 ms" {
	start_peer a --slots 1
	start_peer b --slots 0
	mkfifo "$dir/in"
	id=$(at a submit -- sh -c "echo started; cat $dir/in")
	exec {in}<>"$dir/in"
	exec {log}< <(SLIPWAY_SERVER=unix:$dir/b/slipway.sock exec "$SLIPWAY_BIN" log -f "$id" 2>/dev/null 3>&-)
	local follower=$!
	read -r -t 30 line <&"$log"
	[ "$line" = started ]
	local limit=0.3 i
	! is_slow || limit=3
	for i in 1 2 3 4 5 6; do
		echo "line $i" >&"$in"
		read -r -t "$limit" line <&"$log"
		[ "$line" = "line $i" ]
	done
	at b cancel "$id"
	run at b wait "$id"
	kill "$follower" 2>/dev/null || :
	exec {in}>&- {log}<&-
}

@test "behind a pooler, where nothing is heard, looks are enough" {
	local folder=${SLIPWAY_TEST_PG#*host=}
	folder=${folder%%&*}
	[ -e "$folder/pool/.s.PGSQL.5432" ] || skip "PgBouncer is not installed"
	db_url=${db_url/host=$folder/host=$folder/pool}
	start_peer a --slots 1
	start_peer b --slots 0
	at a run -- true
	in_time 4000 at b run -- true
	id=$(at b submit --env "GO=$dir/go" -- sh -c "$held_job")
	SLIPWAY_SERVER=unix:$dir/b/slipway.sock log_until "$id" started
	at b cancel "$id"
	run -1 in_time 6000 at b wait "$id"
}

@test "what an application submits in SQL starts within a look, also while there is one server only" {
	start_peer a --slots 1
	at a run -- true
	id=$(psql -qXAt "$db_url" -c "SELECT slipway.submit('{\"argv\": [\"true\"]}')")
	in_time 3000 at a wait "$id"
}

@test "a worker's state is changed at the other server" {
	start_peer a --slots 1
	start_peer b --slots 0
	at a run -- true
	name=$(at b workers --json | jq -r '.[0].name')
	at b worker-state "$name" disabled
	id=$(at b submit -- true)
	run -4 at a wait "$id" --timeout 300ms
	at b worker-state "$name" active
	in_time 2000 at b wait "$id"
}

@test "serial keys are serial across servers that give out work at once" {
	start_peer a --slots 3
	start_peer b --slots 3
	local i
	# Whoever finds the folder of another there ran beside it, and fails.
	for ((i = 0; i < 60; i++)); do
		printf '{"argv":["sh","-c","mkdir %s/%d && rmdir %s/%d"],"limit_key":{"name":"k%d","n":1}}\n' \
			"$dir" $((i % 6)) "$dir" $((i % 6)) $((i % 6))
	done >"$dir/batch"
	at a submit --batch "$dir/batch" >"$dir/ids"
	mapfile -t ids <"$dir/ids"
	at b wait "${ids[@]}"
	[ "$(at a list --state succeeded --limit 100 --json | jq length)" -eq 60 ]
	# Both had a part in it.
	[ "$(at a list --limit 100 --json | jq '[.[].worker] | unique | length')" -eq 2 ]
	[ "$(at b admin check)" = "0 violations" ]
}

@test "a worker that is drained at any server ends what it has and takes nothing, also with room for it" {
	start_peer a --slots 0
	start_peer b --slots 0
	start_worker w a b
	local asked id next
	for asked in b a; do
		rm -f "$dir/go"
		id=$(at a submit --env "GO=$dir/go" -- sh -c "$held_job")
		SLIPWAY_SERVER=unix:$dir/a/slipway.sock log_until "$id" started
		at "$asked" worker-state w draining
		next=("$(at a submit -- true)" "$(at b submit -- true)")
		run -4 at b wait "${next[@]}" --timeout 300ms
		touch "$dir/go"
		at b wait "$id"
		run -4 at a wait "${next[@]}" --timeout 300ms
		[ "$(at a list --state waiting --json | jq length)" -eq 2 ]
		[ "$(at b show --json "$id" | jq -c '[.state, .attempt]')" = '["succeeded",1]' ]
		at "$asked" worker-state w active
		at a wait "${next[@]}"
	done
	[ "$(at b workers --json | jq -c '[.[] | .online, .failures]')" = "[true,0]" ]
}

@test "an owner's bound holds across servers that give out work at once" {
	start_peer a --slots 3
	start_peer b --slots 3
	at a admin owner ada --running 4
	local i
	# Each leaves a mark while it runs, and fails when it sees more than four; six could run.
	for ((i = 0; i < 60; i++)); do
		printf '{"owner":"ada","argv":["sh","-c","mkdir %s/mark.%d; set -- %s/mark.*; rmdir %s/mark.%d; [ $# -le 4 ]"]}\n' \
			"$dir" "$i" "$dir" "$dir" "$i"
	done >"$dir/batch"
	at b submit --batch "$dir/batch" >"$dir/ids"
	mapfile -t ids <"$dir/ids"
	at a wait "${ids[@]}"
	[ "$(at a list --state succeeded --limit 100 --json | jq length)" -eq 60 ]
	[ "$(at a list --limit 100 --json | jq '[.[].worker] | unique | length')" -eq 2 ]
	[ "$(at b admin check)" = "0 violations" ]
}
