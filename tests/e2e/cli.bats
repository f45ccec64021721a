#!/usr/bin/env bats
# The command line: what is refused and how, what is shown and how wide.
# shellcheck disable=SC2154 # lib.bash sets dir and data; tests are subshells

load lib

setup_file() {
	make_dir
	start_server --slots 2
	sw run --name "a job with quite a long name, to see what narrow terminals make of it" -- true
	sw run -- sh -c 'exit 7' || [ $? -eq 7 ]
}

teardown_file() {
	[ "$(sw admin check)" = "0 violations" ]
	stop_server
	remove_dir
}

@test "a wrong command line is exit status 2, and says what was meant" {
	run -2 --separate-stderr sw
	run -2 --separate-stderr sw lst
	# shellcheck disable=SC2154 # bats sets it
	[[ $stderr == *"did you mean list?"* ]]
	run -2 --separate-stderr sw list --stat failed
	[[ $stderr == *"did you mean --state?"* ]]
	[ -z "$output" ]
	run -2 sw run
	run -2 sw submit
	run -2 sw show
	run -2 sw show seven
	run -2 sw run --timeout soon -- true
	run -2 sw run --limit toes=5 -- true
	run -2 sw submit --after whenever -- true
	run -2 sw build x.dsc
	run -2 sw target create name
	run -2 sw worker-state here sleeping
	run -2 sw priority 1
	run -2 sw log 1 2
	run -2 sw top </dev/null
}

@test "no server is exit status 3" {
	run -3 --separate-stderr sw list --server "unix:$dir/nowhere"
	[[ $stderr == *"$dir/nowhere"* ]]
	SLIPWAY_SERVER=unix:$dir/nowhere run -3 sw run -- true
}

@test "what is refused is exit status 4" {
	run -4 --separate-stderr sw show 999999
	[[ $stderr == *999999* ]]
	run -4 sw log 999999
	run -4 sw log -f 999999
	run -4 sw why 999999
	run -4 sw wait 999999
	run -4 sw artifacts 999999
	run -4 sw fetch 999999
	run -4 --separate-stderr sw cancel 999999
	[[ $stderr == *999999* ]]
	run -4 sw submit --need 999999 -- true
	run -4 sw submit --input "$dir/nowhere" -- true
	run -4 sw list --state asleep
	run -4 sw target show nowhere
	run -4 sw submit --isolation chroot --target nowhere -- true
	run -4 sw admin backup "$dir"
}

@test "help and manual come from one table" {
	run -0 sw help
	for command in $(sw help | sed -n 's/^  \([a-z-]*\) .*/\1/p'); do
		run -0 sw help "$command"
		[[ $output == "usage: slipway $command "* ]]
		run -0 sw "$command" --help
		sw man-page | grep -q "^## slipway $command"
		sw completion | grep -q "	$command) words="
	done
	sw completion | bash -n
	run -0 sw --version
	[[ $output == slipway\ * ]]
}

@test "list shows newest first, filtered" {
	run -0 sw list --json
	[ "$(jq 'length' <<<"$output")" -ge 2 ]
	[ "$(jq '[.[].id] == ([.[].id] | sort | reverse)' <<<"$output")" = true ]
	[ "$(sw list --json --state failed | jq -c 'map(.state) | unique')" = '["failed"]' ]
	[ "$(sw list --json --state failed,succeeded --limit 1 | jq length)" = 1 ]
	[ "$(sw list --json --kind build | jq length)" = 0 ]
	[ "$(sw list --json --name true | jq length)" = 0 ]
	[ "$(sw list --json --owner nobody-of-that-name | jq length)" = 0 ]
}

@test "a job in JSON has every field" {
	for field in id kind name state reason priority owner isolation target arch tags attempt max_attempts worker \
		exit_code signal created run_at started finished needs chain cancel_asked artifacts; do
		[ "$(sw list --json | jq "all(has(\"$field\"))")" = true ] || { echo "$field is missing in list"; false; }
		[ "$(sw show --json 1 | jq "has(\"$field\")")" = true ] || { echo "$field is missing in show"; false; }
	done
	[[ $(field 1 .created) =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$ ]]
	check_field 2 .exit_code 7
	check_field 2 .reason exit
}

@test "every reading command speaks JSON" {
	for command in "list" "show 1" "status" "why 1" "artifacts 1" "workers" "types" "target list" "wait 1" "admin check"; do
		# shellcheck disable=SC2086 # words
		sw $command --json | jq -e . >/dev/null
	done
	[ "$(sw status --json | jq .jobs.failed)" -ge 1 ]
	[ "$(sw workers --json | jq -r '.[0].online')" = true ]
}

@test "tables fit narrow terminals" {
	for columns in 20 40 60 80 120; do
		for command in list "show 1" status workers; do
			# shellcheck disable=SC2086 # words
			COLUMNS=$columns sw $command | sed -n '/^ *ID\|^ *TRY\|^WHEN\|^KIND\|^NAME/,/^$/p' >"$dir/out"
			[ -s "$dir/out" ]
			widest=$(LC_ALL=C.UTF-8 wc -L <"$dir/out")
			[ "$widest" -le "$columns" ] || { echo "$command at $columns: $widest"; cat "$dir/out"; false; }
		done
	done
	COLUMNS=40 sw list | grep -q '…'
	COLUMNS=20 sw list | grep -q 'ID *STATE'
}

@test "colours only on a terminal, and not with NO_COLOR" {
	run -0 sw list
	[[ $output != *$'\e'* ]]
	[[ $(on_terminal 100 "$SLIPWAY_BIN" list) == *$'\e['*succeeded* ]]
	[[ $(NO_COLOR=1 on_terminal 100 "$SLIPWAY_BIN" list) != *$'\e'* ]]
	widest=$(NO_COLOR=1 on_terminal 50 "$SLIPWAY_BIN" list | LC_ALL=C.UTF-8 wc -L)
	[ "$widest" -le 50 ]
}

@test "what a job says cannot reach the terminal as escape sequences" {
	run -4 sw submit --name $'evil\e]0;title\a' -- true
	id=$(sw submit -- echo $'evil\e]0;title\a\nname')
	sw wait "$id"
	for command in "list" "show $id" "why $id"; do
		# shellcheck disable=SC2086 # words
		run -0 sw $command
		[[ $output != *$'\e'* ]]
		[[ $output != *$'\a'* ]]
	done
}

@test "top draws the jobs, at any size, and leaves on q" {
	for columns in 80 20 5; do
		printf 'q' | TERM=xterm timeout 20 script -qec "stty cols $columns rows 24 && $(printf %q "$SLIPWAY_BIN") top" /dev/null >"$dir/top"
		[ -s "$dir/top" ]
	done
	printf 'q' | TERM=xterm timeout 20 script -qec "stty cols 80 rows 24 && $(printf %q "$SLIPWAY_BIN") top" /dev/null >"$dir/top"
	grep -qa succeeded "$dir/top"
}

@test "worker-state holds a worker back and lets it go" {
	name=$(sw workers --json | jq -r '.[0].name')
	sw worker-state "$name" disabled
	id=$(sw submit -- true)
	check_field "$id" .state waiting
	sw why "$id" | grep -q disabled
	sw worker-state "$name" active
	sw wait "$id"
}
