#!/usr/bin/env bats
# Logs: live, exact, bounded, harmless on a terminal, one for each attempt.
# shellcheck disable=SC2154,SC2120,SC2119 # lib.bash sets dir and data; tests are subshells

load lib

setup_file() {
	make_dir
	start_server --slots 2
}

teardown_file() {
	[ "$(sw admin check)" = "0 violations" ]
	stop_server
	remove_dir
}

# A job that copies what is written to descriptor 9 to its log, until that is closed. Its number is in $id.
start_talker() {
	rm -f "$dir/talk"
	mkfifo "$dir/talk"
	exec 9<>"$dir/talk"
	id=$(sw submit "$@" -- sh -c "echo begin; exec cat '$dir/talk' 9>&-" 9>&-)
	log_until "$id" begin
}

# The job's cat sees the end when the last writer is gone: opened for reading and writing, the fifo has one here.
stop_talker() {
	exec 9>&-
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

@test "a follower sees a line at once" {
	start_talker
	exec 8< <(exec "$SLIPWAY_BIN" log -f "$id" 9>&- 3>&-)
	read -r -t 10 line <&8
	[ "$line" = begin ]
	worst=0
	for i in 1 2 3 4 5; do
		before=$(now_ms)
		echo "line $i" >&9
		read -r -t 10 line <&8
		took=$(($(now_ms) - before))
		[ "$line" = "line $i" ]
		[ $took -le $worst ] || worst=$took
	done
	stop_talker
	sw wait "$id"
	# 300 ms is what is promised on a machine that is not busy with other tests.
	[ $worst -lt 1500 ] || { echo "$worst ms"; false; }
	echo "# the slowest of 5 lines took $worst ms" >&3
	# The follower ends with the job.
	if read -r -t 10 line <&8; then false; fi
	exec 8<&-
}

@test "100 followers of one log all get all of it" {
	n=100
	if is_slow; then n=20; fi
	start_talker
	for ((i = 0; i < n; i++)); do
		"$SLIPWAY_BIN" log -f "$id" >"$dir/follower.$i" 9>&- 3>&- &
		pids[i]=$!
	done
	for ((i = 0; i < 200; i++)); do echo "line $i of a log that many read"; done >&9
	stop_talker
	for ((i = 0; i < n; i++)); do wait "${pids[i]}"; done
	sw wait "$id"
	sw log "$id" >"$dir/log"
	[ "$(wc -l <"$dir/log")" -eq 201 ]
	[ "$(for ((i = 0; i < n; i++)); do cmp "$dir/log" "$dir/follower.$i" && echo same; done | grep -c same)" -eq $n ]
}

@test "bytes are kept as they are" {
	head -c 300000 /dev/urandom >"$dir/bytes"
	printf 'nul \0 escape \033[31m bad \377\376 no newline at the end' >>"$dir/bytes"
	id=$(sw submit --input "$dir/bytes" -- cat bytes)
	sw wait "$id"
	sw log "$id" | cmp - "$dir/bytes"
	sw log -f "$id" | cmp - "$dir/bytes"
	sw log --raw "$id" | cmp - "$dir/bytes"
	sw run --input "$dir/bytes" -- cat bytes | cmp - "$dir/bytes"
	[ "$(field "$id" '.attempts[0].log_size')" -eq "$(stat -c %s "$dir/bytes")" ]
}

@test "on a terminal a log is harmless, unless it is to be raw" {
	id=$(sw submit -- printf 'a\033]0;title\007b\033[2Jc\033[31mred\n')
	sw wait "$id"
	shown=$(on_terminal 80 "$SLIPWAY_BIN" log "$id")
	[[ $shown == *a*b*c*red* ]]
	[[ $shown != *$'\e]'* ]]
	[[ $shown != *$'\a'* ]]
	[[ $shown != *$'\e[2J'* ]]
	[[ $(on_terminal 80 "$SLIPWAY_BIN" log --raw "$id") == *$'a\e]0;title\ab'* ]]
}

@test "standard output and standard error are one log, in order" {
	run -0 sw run -- sh -c 'echo one; echo two >&2; echo three'
	[ "$output" = $'one\ntwo\nthree' ]
}

@test "a log over its limit is cut, says so, and the job goes on" {
	id=$(sw submit --limit log=10k -- sh -c 'i=0; while [ $i -lt 4000 ]; do echo "line $i"; i=$((i + 1)); done; exit 5')
	run -5 sw wait "$id"
	sw log "$id" >"$dir/log"
	[ "$(stat -c %s "$dir/log")" -lt 12000 ]
	grep -q '^line 0$' "$dir/log"
	tail -n 3 "$dir/log" | grep -qi 'slipway.*\(limit\|cut\|truncated\)'
	check_field "$id" '.attempts[0].log_truncated' true
}

@test "each attempt keeps its log" {
	id=$(sw submit --max-attempts 3 -- sh -c 'echo attempt $SLIPWAY_ATTEMPT; exit 1')
	run -1 sw wait "$id"
	for n in 1 2 3; do
		[ "$(sw log --attempt $n "$id")" = "attempt $n" ]
		[ "$(sw log -f --attempt $n "$id")" = "attempt $n" ]
	done
	run -4 sw log --attempt 4 "$id"
	run -2 sw log --attempt 0 "$id"
}

@test "log -f waits for the first attempt, and goes on through all" {
	id=$(sw submit --suspended --max-attempts 2 --retry-delay 200ms -- sh -c 'echo attempt $SLIPWAY_ATTEMPT; exit 1')
	exec 8< <(exec "$SLIPWAY_BIN" log -f "$id" 3>&-)
	sw resume "$id"
	read -r -t 20 line <&8
	[ "$line" = "attempt 1" ]
	exec 8<&-
	exec 8< <(exec "$SLIPWAY_BIN" log -f "$id" --attempt 2 3>&-)
	read -r -t 20 line <&8
	[ "$line" = "attempt 2" ]
	exec 8<&-
}

@test "log -f of a job that is cancelled before it starts ends" {
	id=$(sw submit --suspended -- true)
	"$SLIPWAY_BIN" log -f "$id" >"$dir/log" 3>&- &
	sw cancel "$id"
	wait $!
	[ ! -s "$dir/log" ]
}

@test "a long log is whole" {
	n=30
	if is_slow; then n=5; fi
	id=$(sw submit --limit log=100M -- sh -c "head -c ${n}000000 /dev/zero | tr '\\0' x")
	sw log -f "$id" >"$dir/log"
	[ "$(stat -c %s "$dir/log")" -eq ${n}000000 ]
	sw wait "$id"
	[ "$(sw log "$id" | tr -d x | wc -c)" -eq 0 ]
	[ "$(sw log "$id" | wc -c)" -eq ${n}000000 ]
}
