#!/usr/bin/env bats
# Bad lines between a worker and its server: tests/line/line.c breaks them, or lets a byte a second through.
# shellcheck disable=SC2154,SC2030,SC2031 # lib.bash sets dir and data; tests are subshells

load lib

setup() {
	make_dir
	worker_pids=()
	line_pid=
	start_server --slots 0 --listen https://127.0.0.1:0
	server=$(sed -n 's/.*https:\/\/\([^ ,]*\).*/\1/p' "$dir/ready.line")
	seed=${SLIPWAY_SEED:-$RANDOM}
	echo "# SLIPWAY_SEED=$seed" >&3
}

teardown() {
	local pid
	for pid in "${worker_pids[@]}" $line_pid; do
		kill -KILL "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
	[ "$(sw admin check)" = "0 violations" ]
	stop_server
	remove_dir
}

# start_line OPTION…: its address is in $line.
start_line() {
	mkfifo "$dir/port"
	"$SLIPWAY_TEST_LINE" "$dir/port" "$server" seed="$seed" "$@" >"$dir/line.out" 3>&- &
	line_pid=$!
	read -r port <"$dir/port"
	line=127.0.0.1:$port
}

# start_worker NAME ADDRESS OPTION…: returns when it is there.
start_worker() {
	local name=$1 address=$2 i token
	shift 2
	token=$(sw token create --role worker | sed 's/.*--join //')
	env -u SLIPWAY_SERVER "$SLIPWAY_BIN" worker --work "$dir/w-$name" --server "https://$address" --join "$token" \
		--name "$name" --slots 2 "$@" 2>>"$dir/$name.err" 3>&- &
	worker_pids+=($!)
	for ((i = 0; i < 400; i++)); do
		[ "$(sw workers --json | jq -c "[.[] | select(.name == \"$name\") | .online]")" != '[true]' ] || return 0
		# A wait that times out: the nearest thing to being told.
		sw wait "${never:=$(sw submit --tag nobody -- true)}" --timeout 50ms >/dev/null 2>&1 || :
	done
	cat "$dir/$name.err" >&2
	return 1
}

@test "a line that breaks every few kilobytes: inputs, logs and artifacts arrive whole" {
	start_line cut=6000-60000 piece=3000
	start_worker far "$line"
	head -c 400000 /dev/urandom >"$dir/input"
	head -c 300000 /dev/urandom | base64 >"$dir/text"
	id=$(sw submit --input "$dir/input" --input "$dir/text" --collect copy -- \
		sh -c 'cp input "$SLIPWAY_OUT/copy"; cat text')
	sw wait "$id" --timeout 120s
	check_field "$id" .state succeeded
	check_field "$id" .attempt 1
	sw fetch "$id" -o "$dir/out"
	cmp "$dir/input" "$dir/out/copy"
	sw log "$id" >"$dir/log"
	cmp "$dir/text" "$dir/log"
	# What was fetched is there for the next one.
	before=$(stat -c %Z "$dir/w-far/blobs/$(sha256sum <"$dir/input" | cut -d' ' -f1)")
	[ -n "$before" ]
	kill -TERM "$line_pid"
	wait "$line_pid"
	line_pid=
	cat "$dir/line.out" >&3
	broke=$(sed 's/.*, \([0-9]*\) broke/\1/' "$dir/line.out")
	[ "$broke" -ge 20 ]
}

# thirty MS: how long thirty jobs on the good worker take, in $ms.
thirty() {
	local t0 ids=() i
	t0=$(date +%s%N)
	for ((i = 0; i < 30; i++)); do ids+=("$(sw submit --tag good -- true)"); done
	sw wait "${ids[@]}"
	ms=$((($(date +%s%N) - t0) / 1000000))
}

@test "a line of one byte a second, then one that says nothing more: others go on at their speed" {
	start_line rate=1
	start_worker far "$line" --tag bad
	start_worker near "$server" --tag good
	thirty
	usual=$ms
	id=$(sw submit --tag bad --collect big -- sh -c 'echo on; head -c 20000000 /dev/zero >"$SLIPWAY_OUT/big"; sleep 1')
	log_until "$id" on
	kill -USR2 "$line_pid"
	thirty
	echo "# thirty jobs: $usual ms, beside a slow line $ms ms" >&3
	[ "$ms" -lt $((3 * usual + 1000)) ]
	kill -USR1 "$line_pid"
	thirty
	[ "$ms" -lt $((3 * usual + 1000)) ]
	# Pages and lists too.
	sw status >/dev/null
	sw cancel "$id"
}
