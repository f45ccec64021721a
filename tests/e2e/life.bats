#!/usr/bin/env bats
# A job's whole life, with one slot, so that the order in which jobs run can be seen.
# shellcheck disable=SC2154 # lib.bash sets dir and data; tests are subshells

load lib

setup_file() {
	make_dir
	start_server --slots 1
}

teardown_file() {
	[ "$(sw admin check)" = "0 violations" ]
	stop_server
	remove_dir
}

# A job that runs until release_slot: the only slot is taken. Its number is in $holder.
hold_slot() {
	rm -f "$dir/held"
	mkfifo "$dir/held"
	holder=$(sw submit --name holder -- sh -c "echo holding; cat '$dir/held'")
	log_until "$holder" holding
}

release_slot() {
	: >"$dir/held"
	sw wait "$holder"
}

@test "run gives output and exit status of the command" {
	run -0 --separate-stderr sw run -- echo "two words" more
	[ "$output" = "two words more" ]
	run -7 sw run -- sh -c 'exit 7'
	run -143 sw run -- sh -c 'kill -TERM $$'
	run -137 sw run -- sh -c 'kill -KILL $$'
	run -0 sw run --env GREETING=hello -e HOME -- sh -c 'echo $GREETING $HOME'
	[ "$output" = "hello $HOME" ]
}

@test "submit prints the number alone" {
	run -0 --separate-stderr sw submit -- true
	[[ $output =~ ^[0-9]+$ ]]
	sw wait "$output"
	check_field "$output" .state succeeded
}

@test "wait gives the job's status, of many the largest" {
	ok=$(sw submit -- true)
	three=$(sw submit -- sh -c 'exit 3')
	five=$(sw submit -- sh -c 'exit 5')
	run -3 sw wait "$three"
	run -5 sw wait "$ok" "$five" "$three"
	run -0 sw wait "$ok"
}

@test "a batch: 100,000 jobs in one call, numbers in order" {
	n=100000
	if is_slow; then n=5000; fi
	awk -v n=$n 'BEGIN { for (i = 0; i < n; i++) printf "{\"argv\":[\"true\"],\"suspended\":true,\"name\":\"b%d\"}\n", i }' >"$dir/batch"
	sw submit --batch "$dir/batch" >"$dir/ids"
	[ "$(wc -l <"$dir/ids")" -eq $n ]
	first=$(head -n1 "$dir/ids")
	[ "$(tail -n1 "$dir/ids")" -eq $((first + n - 1)) ]
	sort -nc "$dir/ids"
	check_field $((first + 42)) .name b42
	sw cancel "$first-$((first + n - 1))"
	check_field $((first + n - 1)) .state cancelled
}

@test "a batch: all or none, and the line is named" {
	before=$(sw list --json --limit 1 | jq '.[0].id')
	printf '{"argv":["true"]}\n{"argv":["true"],"colour":"red"}\n' >"$dir/batch"
	run -4 --separate-stderr sw submit --batch "$dir/batch"
	# shellcheck disable=SC2154 # bats sets it
	[[ $stderr == *"line 2"* ]]
	[[ $stderr == *colour* ]]
	[ -z "$output" ]
	printf '{"argv":["true"]}\nnonsense\n' | run -4 --separate-stderr sw submit --batch -
	[ "$(sw list --json --limit 1 | jq '.[0].id')" -eq "$before" ]
}

@test "a batch: needs by line, and no circles" {
	printf '{"argv":["sh","-c","exit 1"]}\n{"argv":["true"],"needs":["#1"]}\n' | sw submit --batch - >"$dir/ids"
	second=$(tail -n1 "$dir/ids")
	run -125 sw wait "$second"
	check_field "$second" .reason needs
	printf '{"argv":["true"],"needs":["#2"]}\n{"argv":["true"],"needs":["#1"]}\n' >"$dir/batch"
	run -4 sw submit --batch "$dir/batch"
	printf '{"argv":["true"],"needs":["#1"]}\n' >"$dir/batch"
	run -4 sw submit --batch "$dir/batch"
}

@test "needs: wait for success, fail with reason needs, show the chain" {
	hold_slot
	second=$(sw submit --need "$holder" -- echo second)
	third=$(sw submit --need "$holder,$second" -- sh -c 'exit 9')
	fourth=$(sw submit --need "$third" -- echo never)
	check_field "$second" .state blocked
	sw why "$second" | grep -q "$holder"
	release_slot
	run -9 sw wait "$third"
	run -125 sw wait "$fourth"
	check_field "$second" .state succeeded
	check_field "$fourth" .state failed
	check_field "$fourth" .reason needs
	check_field "$fourth" .attempt 0
	check_field "$fourth" .chain "$holder"
	sw show "$second" | grep -q "└─ $fourth.*failed (needs)"
	sw why "$fourth" | grep -q "$third"
	# What failed because of it can be retried once it is well.
	sw retry "$third"
	run -9 sw wait "$third"
}

@test "--after: not before its time" {
	id=$(sw submit --after 700ms -- true)
	sw wait "$id"
	sw show --json "$id" | jq -e '.started >= .run_at' >/dev/null
	id=$(sw submit --after 2099-01-01T00:00:00Z -- true)
	check_field "$id" .run_at 2099-01-01T00:00:00.000Z
	check_field "$id" .state scheduled
	sw why "$id" | grep -q scheduled
	sw cancel "$id"
	check_field "$id" .state cancelled
}

@test "priorities: the higher starts first, then the older" {
	local order=$dir/order
	hold_slot
	late=$(sw submit --need "$holder" -- sh -c "echo late >>'$order'")
	sw submit --need "$holder" --priority -1 -- sh -c "echo low >>'$order'"
	sw submit --need "$holder" -- sh -c "echo first >>'$order'"
	sw submit --need "$holder" -- sh -c "echo second >>'$order'"
	sw submit --need "$holder" --priority 5 -- sh -c "echo high >>'$order'"
	sw priority "$late" -2
	check_field "$late" .priority -2
	release_slot
	sw wait "$late"
	[ "$(tr '\n' ' ' <"$order")" = "high first second low late " ]
}

@test "dedupe: one live job a key" {
	id=$(sw submit --dedupe key --suspended -- true)
	run -0 --separate-stderr sw submit --dedupe key -- true
	[ "$output" = "$id" ]
	[[ $stderr == *"$id"* ]]
	sw cancel "$id"
	again=$(sw submit --dedupe key -- true)
	[ "$again" != "$id" ]
	sw wait "$again"
}

@test "max-attempts with a delay that doubles" {
	id=$(sw submit --max-attempts 3 --retry-delay 300ms -- sh -c 'echo try $SLIPWAY_ATTEMPT; exit 4')
	run -4 sw wait "$id"
	check_field "$id" '.attempts | length' 3
	check_field "$id" .failures 3
	gaps=$(sw show --json "$id" | jq -c '
		def ms: sub("\\.(?<f>[0-9]+)Z$"; "Z") as $s | (($s | fromdate) * 1000 + (capture("\\.(?<f>[0-9]+)Z$").f | tonumber));
		[.attempts as $a | range(1; 3) | (($a[.].started | ms) - ($a[. - 1].finished | ms))]')
	[ "$(jq '.[0] >= 300 and .[1] >= 600 and .[1] < 5000' <<<"$gaps")" = true ] || { echo "$gaps"; false; }
	[ "$(sw log "$id" --attempt 2)" = "try 2" ]
	[ "$(sw log "$id")" = "try 3" ]
	run -0 sw run --max-attempts 2 -- sh -c 'echo try $SLIPWAY_ATTEMPT; [ $SLIPWAY_ATTEMPT = 2 ]'
	[ "$output" = $'try 1\ntry 2' ]
}

@test "timeout and silence end an attempt" {
	run -125 --separate-stderr sw run --name slow --timeout 300ms -- sleep 1000
	[[ $stderr == *timeout* ]]
	id=$(sw list --json --name slow | jq '.[0].id')
	check_field "$id" .reason timeout
	id=$(sw submit --silence 400ms -- sh -c 'for i in 1 2 3 4; do echo $i; sleep 0.2; done; sleep 1000')
	run -125 sw wait "$id"
	check_field "$id" .reason silence
	[ "$(sw log "$id" | head -n 4 | tr '\n' ' ')" = "1 2 3 4 " ]
}

@test "cancel while waiting: at once" {
	hold_slot
	id=$(sw submit -- true)
	check_field "$id" .state waiting
	sw why "$id" >/dev/null
	sw cancel "$id"
	check_field "$id" .state cancelled
	run -1 sw wait "$id"
	run -4 sw cancel "$id"
	release_slot
}

@test "cancel while running: the whole tree, whatever it ignores" {
	# shellcheck disable=SC2016 # the job's
	id=$(sw submit -- sh -c 'trap "" TERM HUP INT
		(trap "" TERM; setsid sh -c "trap \"\" TERM; echo pid \$\$; while :; do sleep 1000; done" &)
		echo pid $$
		echo started
		while :; do sleep 1000; done')
	log_until "$id" started
	sw cancel "$id"
	run -1 sw wait "$id"
	check_field "$id" .state cancelled
	[ "$(sw log "$id" | grep -c '^pid')" -eq 2 ]
	for pid in $(sw log "$id" | sed -n 's/^pid //p'); do
		[ ! -e "/proc/$pid" ]
	done
	sw why "$id" | grep -q cancel
}

@test "a job has ended when its own process has, though others hold its output" {
	# shellcheck disable=SC2016 # the job's
	id=$(sw submit -- sh -c '(trap "" TERM; echo pid $(exec sh -c "echo \$PPID"); sleep 1000) & echo done')
	sw wait "$id"
	check_field "$id" .state succeeded
	[ -z "$(processes_in "$data/worker/slots")" ]
}

@test "suspend holds, resume lets go" {
	hold_slot
	id=$(sw submit -- true)
	sw suspend "$id"
	check_field "$id" .state suspended
	born=$(sw submit --suspended -- true)
	check_field "$born" .state suspended
	release_slot
	other=$(sw submit -- true)
	sw wait "$other"
	check_field "$id" .state suspended
	sw why "$id" >/dev/null
	sw resume "$id" "$born"
	sw wait "$id" "$born"
	check_field "$id" .state succeeded
	run -4 sw resume "$id"
}

@test "retry reopens what failed; rerun makes a new job" {
	id=$(sw submit --name again -- sh -c '[ $SLIPWAY_ATTEMPT -gt 1 ]')
	run -1 sw wait "$id"
	sw retry "$id"
	sw wait "$id"
	check_field "$id" .attempt 2
	check_field "$id" .state succeeded
	run -4 sw retry "$id"
	new=$(sw rerun "$id")
	[[ $new =~ ^[0-9]+$ ]]
	[ "$new" != "$id" ]
	run -1 sw wait "$new"
	check_field "$new" .name again
	check_field "$new" .argv "$(field "$id" .argv)"
}

@test "one command changes many jobs, and tells of each that it could not" {
	ids=$(for _ in 1 2 3; do sw submit --suspended -- true; done)
	# shellcheck disable=SC2086 # words
	run -4 --separate-stderr sw cancel $ids 999999
	[[ $stderr == *999999* ]]
	for id in $ids; do check_field "$id" .state cancelled; done
	# shellcheck disable=SC2086 # words
	new=$(sw rerun $ids)
	[ "$(wc -w <<<"$new")" -eq 3 ]
	# shellcheck disable=SC2086 # words
	sw wait $new
}

@test "what it used is recorded and shown" {
	id=$(sw submit -- sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done')
	sw wait "$id"
	sw show --json "$id" | jq -e '.attempts[0] | .cpu_user > 0 and .wall > 0 and .memory_peak > 100000' >/dev/null
	sw show "$id" | grep -q MEMORY
}

@test "an interrupted run cancels its job and ends with it" {
	env --default-signal=INT "$SLIPWAY_BIN" run --name interrupted -- sh -c 'echo up; sleep 1000' >"$dir/run.out" 2>"$dir/run.err" 3>&- &
	pid=$!
	until id=$(sw list --json --name interrupted | jq -e '.[0].id'); do :; done
	log_until "$id" up
	kill -INT $pid
	status=0
	wait $pid || status=$?
	[ $status -eq 1 ]
	check_field "$id" .state cancelled
	grep -q "$id" "$dir/run.err"
	[ "$(cat "$dir/run.out")" = up ]
}

@test "a job that cannot start says why" {
	run -127 sw run -- no-such-program-anywhere
	[[ $output == *no-such-program-anywhere* ]]
}

@test "every change is in the history" {
	id=$(sw submit -- true)
	sw wait "$id"
	[ "$(sw show --json "$id" | jq -c '[.events[].to]')" = '["waiting","running","succeeded"]' ]
	sw show "$id" | grep -q "worker:"
}
