# What a worker says of itself, and what it does without room on its disk.
# shellcheck disable=SC2154,SC2030,SC2031 # lib.bash sets dir and data; tests are subshells
load lib

setup() {
	make_dir
	worker_pid=
}

teardown() {
	[ -z "$worker_pid" ] || kill -9 "$worker_pid" 2>/dev/null || :
	kill -9 "$server_pid" 2>/dev/null || :
	umount -l "$dir/w" 2>/dev/null || :
	remove_dir
}

start_worker() {
	"$SLIPWAY_BIN" worker --name two --work "$dir/w" "$@" 2>>"$dir/worker.err" 3>&- &
	worker_pid=$!
}

stop_worker() {
	kill -TERM "$worker_pid"
	wait "$worker_pid"
	worker_pid=
}

# worker_until FILTER: returns when a worker is as jq's filter wants it.
worker_until() {
	local i
	for ((i = 0; i < 300; i++)); do
		[ -z "$(sw workers --json | jq -c ".[] | select($1)")" ] || return 0
		# A wait that times out: the nearest thing to being told.
		sw wait "${waited:-1}" --timeout 50ms >/dev/null 2>&1 || :
	done
	sw workers --json >&2
	return 1
}

@test "workers tells what runs, and how the machine is" {
	start_server --slots 2
	mkfifo "$dir/go"
	id=$(sw submit -- sh -c "echo on; cat $dir/go")
	log_until "$id" on
	waited=$id worker_until '.load != null'
	run -0 sw workers --json
	jq -e --argjson id "$id" '.[0] | .running == 1 and .jobs[0].id == $id and .jobs[0].attempt == 1
		and .jobs[0].state == "running" and (.jobs[0].started | startswith("20"))
		and .load >= 0 and .disk.free > 0 and .cache.max > 0 and .disk_low == false
		and .failures == 0 and .version != "" and .online' <<<"$output"
	run -0 env COLUMNS=200 "$SLIPWAY_BIN" workers
	[[ ${lines[0]} == NAME*STATE*RUNNING*JOBS*LOAD*CACHE*FREE* ]]
	[[ ${lines[1]} == *online*1/2*"$id "* ]]
	echo >"$dir/go"
	sw wait "$id"
	stop_server
}

@test "a worker without room takes nothing, says why, and goes on when there is some" {
	[ "$(id -u)" -eq 0 ] || skip "only root may mount a small disk"
	mkdir "$dir/w"
	mount -t tmpfs -o size=16m none "$dir/w" || skip "no tmpfs can be mounted here"
	start_server --slots 0
	head -c 14M /dev/zero >"$dir/w/fill"
	start_worker --min-free 4M
	worker_until '.name == "two" and .disk_low and .disk.free < 4194304 and .disk.min == 4194304'
	id=$(sw submit -- true)
	run -0 sw why "$id"
	[[ $output == *"worker two has too little room on its disk: it has"*"needs 4.0M (--min-free)"* ]]
	[[ $output == *"make room on the disk of worker two"* ]]
	run -0 env COLUMNS=200 "$SLIPWAY_BIN" workers
	[[ ${lines[1]} == *two*full* ]]
	[[ $output == *"two takes no jobs: its disk has"*"less than 4.0M (worker --min-free)"* ]]
	grep -q 'no work is taken: .*free, less than 4.0M' "$dir/worker.err"
	check_field "$id" .state waiting
	rm "$dir/w/fill"
	sw wait "$id"
	check_field "$id" .worker two
	worker_until '.name == "two" and (.disk_low | not)'
	grep -q 'work is taken again' "$dir/worker.err"
	stop_worker
	umount "$dir/w"
	stop_server
}
