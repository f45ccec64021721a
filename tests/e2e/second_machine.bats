#!/usr/bin/env bats
# README.md's "A second machine", typed as it is printed there. Two machines: each has its own host name and /var/lib/slipway; they
# share a network of their own, so that the port is free.
# shellcheck disable=SC2154,SC2030,SC2031 # lib.bash sets dir; tests are subshells

load lib

setup() {
	[ "$(id -u)" = 0 ] || skip "only root can make machines of namespaces"
	unshare --mount --net --uts true 2>/dev/null || skip "namespaces cannot be made here"
	command -v ip >/dev/null || skip "iproute2 is not installed"
	make_dir
	unset SLIPWAY_SERVER
	lines=()
	while IFS= read -r line; do
		lines+=("$line")
	done < <(sed -n '/^## A second machine/,/^## /s/^    //p' "$BATS_TEST_DIRNAME/../../README.md")
	mkdir "$dir/bin" "$dir/first" "$dir/second"
	ln -s "$(realpath "$SLIPWAY_BIN")" "$dir/bin/slipway"
	export PATH=$dir/bin:$PATH
}

teardown() {
	local pid
	for pid in "${second:-}" "${first:-}"; do
		[ -z "$pid" ] || kill "$pid" 2>/dev/null || :
	done
	wait
	remove_dir
}

# sh -c "$boot" sh FOLDER NAME COMMAND…: the machine NAME, which keeps what it has in FOLDER.
# shellcheck disable=SC2016 # for its own shell
boot='mkdir -p /var/lib/slipway && mount --bind "$1" /var/lib/slipway && hostname "$2" && shift 2 && exec "$@"'

# until_prints FILE TEXT
until_prints() {
	local fd follower line=
	exec {fd}< <(exec tail -n +1 -f "$1" 3>&-)
	follower=$!
	while read -r -t 60 line <&"$fd"; do
		[[ $line != *"$2"* ]] || break
	done
	kill "$follower" 2>/dev/null || :
	exec {fd}<&-
	[[ $line == *"$2"* ]] || {
		cat "$1" >&2
		return 1
	}
}

@test "five lines at most, as they are printed" {
	[ "${#lines[@]}" -ge 3 ]
	[ "${#lines[@]}" -le 5 ]
	touch "$dir/first.out" "$dir/second.out"
	unshare --mount --net --uts sh -c "$boot" sh "$dir/first" localhost sh -c 'ip link set lo up && exec sleep 600' 3>&- &
	first=$!
	until nsenter -t "$first" -a test "$(nsenter -t "$first" -u hostname)" = localhost 2>/dev/null; do :; done
	until nsenter -t "$first" -n ip -o link show lo 2>/dev/null | grep -q UP; do :; done
	on_first() { nsenter -t "$first" -m -n -u bash -c "$1"; }
	on_first "${lines[0]}" >"$dir/first.out" 2>&1 3>&-
	until_prints "$dir/first.out" ready
	printed=$(on_first "${lines[1]}")
	# What is printed has the form of what the README shows.
	[[ ${lines[2]} == "slipway worker --server https://FIRST:7433 --join slw_… &" ]]
	[[ $printed =~ ^"slipway worker --server https://localhost:7433 --join slw_"[0-9a-f_]+$ ]]
	nsenter -t "$first" -n unshare --mount --uts sh -c "$boot" sh "$dir/second" second sh -c "exec $printed" >"$dir/second.out" 2>&1 3>&- &
	second=$!
	until_prints "$dir/second.out" "joined https://localhost:7433 as second"
	# It offers itself a moment later.
	on_first 'until slipway workers --json | jq -e "map(select(.name == \"second\" and .online)) | length == 1"; do :; done' >/dev/null
	run -0 on_first "${lines[3]}"
	[[ $output == *second*online* ]]
	on_first 'slipway worker-state localhost disabled'
	[ "$(on_first 'slipway run -- hostname')" = second ]
	on_first 'kill $(cat /var/lib/slipway/lock)'
}
