#!/usr/bin/env bats
# Who gets what: limit keys, owners, tags that are demanded, trust zones, and what is said of them.
# shellcheck disable=SC2154 # lib.bash sets dir

load lib

setup() { make_dir; }
teardown() {
	[ -z "${server_pid:-}" ] || kill "$server_pid" 2>/dev/null || :
	[ -z "${worker_pid:-}" ] || kill "$worker_pid" 2>/dev/null || :
	remove_dir
}

start_worker() { # NAME OPTION…
	local name=$1
	shift
	"$SLIPWAY_BIN" worker --name "$name" --work "$dir/$name" "$@" >/dev/null 2>>"$dir/$name.err" 3>&- &
	worker_pid=$!
}
stop_worker() {
	kill "$worker_pid"
	wait "$worker_pid" || :
	worker_pid=
}

@test "a serial key runs one after the other, whatever the slots" {
	start_server --slots 4
	# All wait at once; whoever finds the folder of another there ran beside it.
	local ids
	for _ in 1 2 3 4 5 6; do
		printf '{"argv":["sh","-c","mkdir %s/alone && sleep 0.05 && rmdir %s/alone"],"limit_key":{"name":"a=b"}}\n' "$dir" "$dir"
	done >"$dir/serial"
	mapfile -t ids < <(sw submit --batch "$dir/serial")
	[ "${#ids[@]}" = 6 ]
	sw wait "${ids[@]}"
	check_field "${ids[0]}" .limit_key.name a=b
	check_field "${ids[0]}" .limit_key.n 1
	check_field "$(sw submit --limit-key "a=b=1" -- true)" .limit_key.name a=b
	[ "$(sw admin check)" = "0 violations" ]
	run -2 sw submit --limit-key "=3" -- true
	run -2 sw submit --limit-key "a=0" -- true
	printf '{"argv":["true"],"limit_key":{"name":"b"}}\n{"argv":["true"],"limit_key":{"name":"b","x":1}}\n' >"$dir/batch"
	run -4 sw submit --batch "$dir/batch"
	[[ $output == *'line 2: limit_key: unknown field "x"'* ]]
	stop_server
}

@test "a job that insists on its limits runs only where the machine keeps them" {
	start_server --slots 0
	local id
	id=$(sw submit --strict-limits --limit memory=64M,log=1M --limit pids=50 --tag blue -- true)
	check_field "$id" '.tags | join(" ")' "blue limit-memory limit-pids"
	unshare -m true 2>/dev/null || skip "taking the control groups away needs root"
	unshare -m sh -c 'umount -R /sys/fs/cgroup 2>/dev/null; exec "$0" "$@"' "$SLIPWAY_BIN" worker --name bare --tag blue \
		--work "$dir/bare" >/dev/null 2>&1 3>&- &
	worker_pid=$!
	sw wait "$(sw submit --tag blue --limit memory=64M -- true)"
	run sw why "$id"
	[[ $output == *"limit-memory"* ]]
	stop_worker
	[ "$(field "$id" .state)" = waiting ]
	sw doctor --json >"$dir/doctor" || :
	jq -e '[.checks[] | select(.check == "limit memory" or .check == "limit pids") | .state] | all(. == "ok")' "$dir/doctor" ||
		skip "this machine keeps no limits of memory and pids"
	start_worker full --tag blue
	sw wait "$id"
	[ "$(sw workers --json | jq -r '.[] | select(.name == "full").tags | join(" ")')" = "blue limit-cpu limit-memory limit-pids" ]
	stop_worker
	stop_server
}

@test "why says who holds a key, and how many of an owner may run" {
	start_server --slots 4
	mkfifo "$dir/go"
	local first second
	first=$(sw submit --limit-key db -- sh -c "read -r x <$dir/go")
	second=$(sw submit --limit-key db -- true)
	wait_for_state "$first" running
	run sw why "$second"
	[[ $output == *"its limit key db has no room: 1 of 1 run"* ]]
	[[ $output == *"job $first runs under the key"* ]]
	sw admin owner "$(field "$first" .owner)" --running 1 --weight 3
	run sw why "$(sw submit -- true)"
	[[ $output == *"1 jobs of "*" run, and no more than 1 may"* ]]
	sw admin owners --json | jq -e '.[0] | .weight == 3 and .running_max == 1 and .running == 1'
	run sw admin owner nobody --weight 0
	[ "$status" -ne 0 ]
	echo >"$dir/go"
	sw wait "$first" "$second"
	stop_server
}

@test "why says with how many others an owner takes turns, in these words" {
	start_server --slots 1
	mkfifo "$dir/go"
	local first second third
	first=$(sw submit -- sh -c "read -r x <$dir/go")
	wait_for_state "$first" running
	second=$(sw submit -- true)
	run sw why "$second"
	[[ $output != *"take turns"* ]]
	third=$(sw submit --owner ada -- true)
	run sw why "$second"
	[[ $output == *"it is next: it starts when a slot becomes free"* ]]
	[[ $output == *"1 other owner has work of this sort: they take turns"* ]]
	sw submit --owner bob -- true
	sw submit --owner bob -- true
	run sw why "$third"
	[[ $output == *"2 other owners have work of this sort: they take turns"* ]]
	# Work of another sort, and what a limit holds back, is in nobody's way.
	sw submit --owner eve --tag other -- true
	run sw why "$third"
	[[ $output == *"2 other owners have work"* ]]
	echo >"$dir/go"
	sw wait 1 2 3 4 5
	stop_server
}

@test "what nobody would take is said at once" {
	start_server --slots 0
	start_worker w --tag small
	sw run -- true
	run --separate-stderr sw submit --tag big -- true
	[[ $stderr == *"no worker takes jobs of this sort (kind command, isolation none, tags big): worker w lacks a tag"* ]]
	[[ $output =~ ^[0-9]+$ ]]
	run sw why "$output"
	[[ $output == *"worker w lacks a tag"* ]]
	printf '{"argv":["true"],"tags":["big"]}\n{"argv":["true"],"tags":["big"]}\n{"argv":["true"]}\n' >"$dir/batch"
	run --separate-stderr sw submit --batch "$dir/batch"
	[ "$(grep -c 'no worker takes' <<<"$stderr")" -eq 1 ]
	run --separate-stderr sw submit -- true
	[ -z "$stderr" ]
	stop_worker
	stop_server
}

@test "a worker that demands a tag takes nothing else" {
	start_server --slots 0
	start_worker w --tag gpu,big --demand gpu
	local plain id
	id=$(sw submit --tag gpu -- true)
	plain=$(sw submit -- true)
	sw wait "$id"
	check_field "$plain" .state waiting
	run sw why "$plain"
	[[ $output == *"worker w takes only jobs that ask for its own tag"* ]]
	sw workers --json | jq -e '.[0].demands == ["gpu"]'
	stop_worker
	stop_server
}

@test "a trust zone keeps its work to its workers" {
	start_server --slots 0
	start_worker w --zone blue
	local plain id me
	plain=$(sw submit -- true)
	me=$(field "$plain" .owner)
	sw admin owner "$me" --zone blue
	id=$(sw submit -- true)
	sw wait "$id"
	check_field "$id" .zone blue
	check_field "$id" '.tags | length' 0
	check_field "$plain" .state waiting
	run sw why "$plain"
	[[ $output == *"worker w is in another trust zone"* ]]
	sw admin owner "$me" --zone default
	check_field "$(sw submit -- true)" .zone ""
	stop_worker
	start_worker x --zone blue,default
	sw wait "$plain"
	stop_worker
	[ "$(sw admin check)" = "0 violations" ]
	stop_server
}

@test "serve's own worker is in the zones that serve is told" {
	run -2 "$SLIPWAY_BIN" serve --data "$data" --zone "blue,re d"
	[[ $output == *"--zone re d: a zone is a word of"* ]]
	start_server --slots 1 --zone blue --zone green
	local plain id me
	plain=$(sw submit -- true)
	me=$(field "$plain" .owner)
	sw admin owner "$me" --zone green
	sw wait "$(sw submit -- true)" --timeout 30s
	sw workers --json | jq -e '.[0].zones == ["blue", "green"]'
	run -0 env COLUMNS=250 "$SLIPWAY_BIN" workers
	[[ ${lines[0]} == *ZONES* && ${lines[1]} == *"blue green"* ]]
	sw admin owner "$me" --zone red
	id=$(sw submit -- true)
	run sw why "$id"
	[[ $output == *"no worker takes jobs of this sort (kind command, isolation none, trust zone red)"* ]]
	[[ $output == *"is in another trust zone"* ]]
	check_field "$id" .state waiting
	check_field "$plain" .state waiting
	stop_server
	# From its file, too.
	printf 'slots = 1\nzone = red,default\n' >"$dir/config"
	start_server --config "$dir/config"
	sw wait "$id" "$plain" --timeout 30s
	[ "$(sw admin check)" = "0 violations" ]
	stop_server
}

@test "a manual priority stays through a retry and a new submission of its key" {
	start_server --slots 0
	local id
	id=$(sw submit --dedupe k -- true)
	sw priority "$id" 7
	[ "$(sw submit --dedupe k --priority 1 -- true 2>/dev/null)" = "$id" ]
	sw cancel "$id"
	sw retry "$id"
	check_field "$id" .priority 7
	stop_server
}
