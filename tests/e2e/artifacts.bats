#!/usr/bin/env bats
# Files into a job and out of it.
# shellcheck disable=SC2154,SC2030,SC2031 # lib.bash sets dir and data; tests are subshells

load lib

setup_file() {
	make_dir
	start_server --slots 2
	head -c 100000 /dev/urandom >"$dir/in.bin"
	printf '#!/bin/sh\necho I run\n' >"$dir/tool"
	chmod +x "$dir/tool"
	# shellcheck disable=SC2016 # the job's
	sw submit --input "$dir/in.bin" --input "$dir/tool:bin/tool" --collect '*.out' --collect 'deep/**' -- sh -c '
		bin/tool
		cp in.bin "$SLIPWAY_OUT/copy.out"
		mkdir -p "$SLIPWAY_OUT/deep/er"
		echo one >"$SLIPWAY_OUT/deep/er/one two.txt"
		echo no >"$SLIPWAY_OUT/left.alone"' >"$dir/id"
	sw wait "$(cat "$dir/id")"
}

setup() { id=$(cat "$dir/id"); }

teardown_file() {
	[ "$(sw admin check)" = "0 violations" ]
	stop_server
	remove_dir
}

@test "inputs lie in the job's folder, with their mode" {
	[ "$(sw log "$id")" = "I run" ]
	run -4 sw submit --input "$dir/nothing" -- true
	run -2 sw submit --input "$dir/tool:../tool" -- true
	run -2 sw submit --input "$dir/tool" --input "$dir/tool" -- true
}

@test "artifacts lists what was collected, and nothing else" {
	[ "$(sw artifacts --json "$id" | jq -c 'map(.name) | sort')" = '["copy.out","deep/er/one two.txt"]' ]
	[ "$(sw artifacts --json "$id" | jq -r '.[] | select(.name == "copy.out") | .sha256')" = "$(sha256sum <"$dir/in.bin" | cut -d' ' -f1)" ]
	sw artifacts "$id" | grep -q copy.out
	check_field "$id" .artifacts 2
}

@test "fetch brings them whole" {
	sw fetch "$id" -o "$dir/got" >"$dir/fetched"
	cmp "$dir/got/copy.out" "$dir/in.bin"
	[ "$(cat "$dir/got/deep/er/one two.txt")" = one ]
	[ "$(wc -l <"$dir/fetched")" -eq 2 ]
	[ "$(find "$dir/got" -type f | wc -l)" -eq 2 ]
}

@test "fetch takes names and patterns" {
	sw fetch "$id" '*.out' -o "$dir/some"
	[ "$(find "$dir/some" -type f)" = "$dir/some/copy.out" ]
	sw fetch "$id" copy.out -o - | cmp - "$dir/in.bin"
	run -4 --separate-stderr sw fetch "$id" nothing -o "$dir/none"
	# shellcheck disable=SC2154 # bats sets it
	[[ $stderr == *nothing* ]]
}

@test "fetch never replaces a file unless told to, and never follows a link" {
	mkdir "$dir/mine"
	echo mine >"$dir/mine/copy.out"
	run -4 sw fetch "$id" copy.out -o "$dir/mine"
	[ "$(cat "$dir/mine/copy.out")" = mine ]
	sw fetch "$id" copy.out -o "$dir/mine" --force
	cmp "$dir/mine/copy.out" "$dir/in.bin"
	mkdir "$dir/linked" "$dir/elsewhere"
	ln -s "$dir/elsewhere" "$dir/linked/deep"
	run -4 sw fetch "$id" 'deep/**' -o "$dir/linked"
	[ -z "$(ls -A "$dir/elsewhere")" ]
	[ "$(find "$dir/mine" "$dir/linked" -name '.slipway*')" = "" ]
}

@test "a file that is damaged in the store is not passed on" {
	sha=$(sw artifacts --json "$id" | jq -r '.[] | select(.name | startswith("deep")) | .sha256')
	blob=$(find "$data/blobs" -type f -name "*${sha:4}")
	[ -f "$blob" ]
	cp "$blob" "$dir/saved"
	chmod u+w "$blob"
	echo two >"$blob"
	run sw fetch "$id" 'deep/**' -o "$dir/damaged"
	cat "$dir/saved" >"$blob"
	[ "$status" -eq 4 ]
	[ -z "$(find "$dir/damaged" -type f)" ]
}

@test "what is promised and not there fails the job, with reason collect" {
	id=$(sw submit --collect 'missing.*' -- true)
	run -125 sw wait "$id"
	check_field "$id" .reason collect
}

@test "a link out of the folder is not collected" {
	# shellcheck disable=SC2016 # the job's
	id=$(sw submit --collect '*' -- sh -c 'ln -s /etc/passwd "$SLIPWAY_OUT/passwd"; echo fine >"$SLIPWAY_OUT/fine"')
	sw wait "$id" || [ $? -eq 125 ]
	[ "$(sw artifacts --json "$id" | jq '[.[] | select(.name == "passwd")] | length')" -eq 0 ]
}

@test "gc keeps what is named" {
	sw admin gc
	sw fetch "$id" copy.out -o - | cmp - "$dir/in.bin"
}

@test "what a job says of itself in result.json is shown with it, and is that of its newest attempt" {
	local id
	# shellcheck disable=SC2016 # the job's
	id=$(sw submit --max-attempts 2 -- sh -c '[ "$SLIPWAY_ATTEMPT" = 2 ] || { echo "{\"version\": \"1.0\"}" >"$SLIPWAY_RESULT"; exit 1; }')
	sw wait "$id"
	[ "$(sw show --json "$id" | jq -c .result)" = null ]
	# shellcheck disable=SC2016
	id=$(sw submit -- sh -c 'echo "{\"version\": \"1.0\"}" >"$SLIPWAY_RESULT"')
	sw wait "$id"
	[ "$(sw show --json "$id" | jq -c .result)" = '{"version":"1.0"}' ]
	# shellcheck disable=SC2016
	id=$(sw submit -- sh -c 'echo "no \"object" >"$SLIPWAY_RESULT"')
	sw wait "$id"
	[ "$(sw show --json "$id" | jq -c .result)" = null ]
}
