#!/usr/bin/env bats
# A server that stops, is killed, comes back, or is refused its folder.
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

kill_server() {
	kill -KILL "$server_pid"
	wait "$server_pid" || :
	server_pid=
}

@test "TERM gives running work back, and it does not count as a failure" {
	# shellcheck disable=SC2016 # the job's
	id=$(sw submit -- sh -c 'echo attempt $SLIPWAY_ATTEMPT; [ $SLIPWAY_ATTEMPT = 2 ] || sleep 1000')
	log_until "$id" "attempt 1"
	stop_server
	[ ! -e "$data/slipway.sock" ]
	run -3 sw list
	start_server --slots 2
	sw wait "$id"
	check_field "$id" .attempt 2
	check_field "$id" .failures 0
	check_field "$id" .losses 0
	check_field "$id" '.attempts[0].outcome' released
	[ "$(sw log "$id")" = "attempt 2" ]
}

@test "kill -9: nothing accepted is lost, running work comes back as the next attempt" {
	# shellcheck disable=SC2016 # the job's
	id=$(sw submit -- sh -c 'echo attempt $SLIPWAY_ATTEMPT pid $$; [ $SLIPWAY_ATTEMPT = 2 ] || sleep 1000')
	waiting=$(sw submit --suspended -- echo later)
	log_until "$id" "attempt 1"
	pid=${line##* }
	kill_server
	start_server --slots 2
	sw wait "$id"
	check_field "$id" .attempt 2
	check_field "$id" .failures 0
	check_field "$waiting" .state suspended
	[ ! -e "/proc/$pid" ]
	[ "$(sw admin check)" = "0 violations" ]
}

@test "a killed worker's job comes back, and the worker too" {
	# shellcheck disable=SC2016 # the job's
	id=$(sw submit -- sh -c 'echo attempt $SLIPWAY_ATTEMPT; [ $SLIPWAY_ATTEMPT -gt 1 ] || sleep 1000')
	log_until "$id" "attempt 1"
	worker=$(pgrep -P "$server_pid" -f 'slipway worker' | head -n1)
	kill -KILL "$worker"
	sw wait "$id"
	check_field "$id" .state succeeded
	check_field "$id" .failures 0
}

@test "a server that was stopped for longer than a lease: nobody has failed" {
	stop_server
	start_server --slots 0 --lease 1s
	"$SLIPWAY_BIN" worker --server "unix:$data/slipway.sock" --work "$dir/w" --name other --slots 1 2>>"$dir/worker.err" 3>&- &
	worker=$!
	# shellcheck disable=SC2016 # the job's
	id=$(sw submit -- sh -c 'echo attempt $SLIPWAY_ATTEMPT pid $$; [ $SLIPWAY_ATTEMPT -gt 1 ] || sleep 1000')
	log_until "$id" "attempt 1"
	pid=${line##* }
	kill -STOP "$server_pid"
	# The watchdog, which waits for nobody; then the rest of the lease and its grace: that long it is to be stopped.
	tail --pid="$pid" -f /dev/null
	sleep 3.5
	kill -CONT "$server_pid"
	sw wait "$id"
	check_field "$id" .state succeeded
	check_field "$id" .losses 0
	check_field "$id" .failures 0
	[ "$(sw workers --json | jq '.[] | select(.name == "other") | .failures')" = 0 ]
	grep -q 'all leases begin anew' "$dir/serve.err"
	kill "$worker"
	wait "$worker"
}

@test "run goes on following while the server starts again" {
	# shellcheck disable=SC2016 # the job's
	"$SLIPWAY_BIN" run --name long -- sh -c 'echo attempt $SLIPWAY_ATTEMPT; [ $SLIPWAY_ATTEMPT = 2 ] || sleep 1000; exit 6' \
		>"$dir/run.out" 2>"$dir/run.err" 3>&- &
	pid=$!
	until id=$(sw list --json --name long | jq -e '.[0].id'); do :; done
	log_until "$id" "attempt 1"
	kill_server
	start_server --slots 2
	status=0
	wait $pid || status=$?
	[ $status -eq 6 ]
	[ "$(cat "$dir/run.out")" = $'attempt 1\nattempt 2' ]
	grep -q 'does not answer' "$dir/run.err"
	grep -q 'answers again' "$dir/run.err"
}

@test "one server a folder; the second is refused and harms nothing" {
	run -4 timeout 20 "$SLIPWAY_BIN" serve --data "$data" ${db_url:+--db "$db_url"}
	[[ $output == *"$data"* ]]
	sw run -- true
}

@test "a server that waits uses no processor" {
	sw run -- true
	# Ten long-polls of a second; only they are between the two readings.
	before=$(awk '{ print $14 + $15 }' "/proc/$server_pid/stat")
	id=$(sw submit --suspended -- true)
	run -4 sw wait --timeout 2s "$id"
	after=$(awk '{ print $14 + $15 }' "/proc/$server_pid/stat")
	sw cancel "$id"
	[ $((after - before)) -le 20 ]
}

@test "the socket is for its owner and group" {
	[ "$(stat -c %a "$data/slipway.sock")" = 660 ]
	[ "$(stat -c %a "$data")" = 700 ] || [ "$(stat -c %a "$data")" = 750 ] || [ "$(stat -c %a "$data")" = 755 ]
}
