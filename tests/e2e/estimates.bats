#!/usr/bin/env bats
# When jobs start and end, as people are told it, against what comes.
# shellcheck disable=SC2154 # lib.bash sets dir

load lib

setup() { make_dir; }
teardown() {
	[ -z "${server_pid:-}" ] || kill "$server_pid" 2>/dev/null || :
	remove_dir
}

nap() { sw submit --name nap -- sleep 2; }
# within ID WHAT ESTIMATE: did it come when the estimate (JSON) says?
within() {
	local came
	came=$(field "$1" ".${2/start/started}" | sed 's/null//')
	[ "$2" = start ] || came=$(field "$1" .finished)
	jq -e --arg what "$2" --arg came "$came" '.[$what] | .low <= $came and $came <= .high and .low <= .likely and .likely <= .high' <<<"$3" || {
		echo "$2 of job $1: $came, said $3" >&2
		return 1
	}
}

@test "after some runs a waiting job and a running one are told what comes true, also after a restart" {
	start_server --slots 3
	first=$(nap)
	[ "$(field "$first" .estimate)" = null ]
	# Those that end together are compared with what was known before all of them.
	# shellcheck disable=SC2046 # numbers
	sw wait "$first" $(nap) $(nap)
	run -0 sw why "$first"
	stop_server
	start_server --slots 1
	running=$(nap)
	waiting=$(nap)
	wait_for_state "$running" running
	said_end=$(field "$running" .estimate)
	said_start=$(field "$waiting" .estimate)
	[ "$(jq -r .basis <<<"$said_start")" = "3 runs of nap" ]
	[ "$(jq .start <<<"$said_end")" = null ]
	run -0 sw why "$waiting"
	[[ $output == *"it is next: it starts in about "*" s ("*"it then takes about 2 s"*"by 3 runs of nap"* ]]
	run -0 sw why "$running"
	[[ $output == *"it ends in about "*"by 3 runs of nap"* ]]
	run -0 sw show "$waiting"
	[[ $output == *"starts      about "*"ends        about "*"estimated   by 3 runs of nap"* ]]
	run -0 sw show "$running"
	[[ $output != *"starts      about "* && $output == *"ends        about "* ]]
	sw wait "$waiting"
	within "$running" end "$said_end"
	within "$waiting" start "$said_start"
	within "$waiting" end "$said_start"
	# Both are over: there is nothing left to estimate.
	[ "$(field "$waiting" .estimate)" = null ]
	sw status --json | jq -e '.estimates | .starts.compared == 1 and .starts.within_percent == 100 and .runs.compared >= 2 and .runs.compared <= 4
		and .runs.within_percent == 100 and .runs.off_percent < 50'
	run -0 sw status
	[[ $output == *"starts   estimated right in 100 % of 1"* && $output == *"runs     estimated right in 100 % of "* ]]
	before=$(sw status --json | jq .estimates)
	stop_server
	start_server --slots 1
	[ "$(sw status --json | jq .estimates)" = "$before" ]
	[ "$(sw admin check)" = "0 violations" ]
	stop_server
}

@test "a hundred thousand are ahead: who asks is answered at once, and knows about when" {
	start_server --slots 1
	sw run --name quick -- true
	long=$(sw submit -- sleep 1000)
	wait_for_state "$long" running
	printf '{"argv":["true"],"name":"quick"}\n%.0s' {1..100000} >"$dir/batch"
	sw submit --batch "$dir/batch" >/dev/null
	last=$(sw submit --name quick -- true)
	run -0 timeout 20 "$SLIPWAY_BIN" why "$last"
	[[ $output == *"more than 10000 jobs are ahead of it, and it starts in about "* ]]
	timeout 20 "$SLIPWAY_BIN" show --json "$last" | jq -e '.estimate.start | .low < .high'
	sw cancel "$long"
	kill -KILL "$server_pid"
	wait "$server_pid" || :
	server_pid=
}
