#!/usr/bin/env bats
# README.md's "A second machine", typed as it is printed there, on two machines: each has a name, a network with an address and
# a /var/lib/slipway of its own, and one cable is all that lies between them.
# shellcheck disable=SC2154,SC2030,SC2031 # lib.bash sets dir; tests are subshells

load lib

setup() {
	[ "$(id -u)" = 0 ] || skip "only root can make machines of namespaces"
	unshare --mount --net --uts true 2>/dev/null || skip "namespaces cannot be made here"
	command -v ip >/dev/null || skip "iproute2 is not installed"
	unshare --net ip link add eth0 type veth peer name eth1 2>/dev/null || skip "this kernel has no veth"
	make_dir
	unset SLIPWAY_SERVER
	readme=()
	while IFS= read -r line; do
		readme+=("$line")
	done < <(sed -n '/^## A second machine/,/^## /s/^    //p' "$BATS_TEST_DIRNAME/../../README.md")
	mkdir "$dir/bin" "$dir/first" "$dir/second"
	ln -s "$(realpath "$SLIPWAY_BIN")" "$dir/bin/slipway"
	printf '127.0.0.1 localhost\n10.78.0.1 first\n10.78.0.2 second\n' >"$dir/hosts"
	export PATH=$dir/bin:$PATH
}

teardown() {
	local pid
	for pid in "${typed:-}" "${second:-}" "${first:-}"; do
		[ -z "$pid" ] || kill "$pid" 2>/dev/null || :
	done
	wait
	remove_dir
}

# What a machine does first: it keeps what it has in $dir/NAME, has a name, knows the other one's, and sees nothing of what that keeps.
# shellcheck disable=SC2016 # for its own shell
boot='mkdir -p /var/lib/slipway && mount --bind "$dir/$1" /var/lib/slipway && mount --bind "$dir/hosts" /etc/hosts &&
	mount -t tmpfs none "$dir/$2" && hostname "$1" && echo up >"$dir/$1.up" && exec sleep 600'

# switch_on NAME OTHER: its process is $machine.
switch_on() {
	local word=
	mkfifo "$dir/$1.up"
	unshare --mount --net --uts sh -c "$boot" sh "$1" "$2" 3>&- &
	machine=$!
	read -r -t 60 word <"$dir/$1.up"
	[ "$word" = up ]
}

# plug_in PROCESS ADDRESS
plug_in() {
	nsenter -t "$1" -n ip address add "$2/24" dev eth0
	nsenter -t "$1" -n ip link set eth0 up
	nsenter -t "$1" -n ip link set lo up
}

on_first() { nsenter -t "$first" -m -n -u bash -c "$1"; }
on_second() { nsenter -t "$second" -m -n -u bash -c "$1"; }

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
	[ "${#readme[@]}" -ge 3 ]
	[ "${#readme[@]}" -le 5 ]
	touch "$dir/first.out" "$dir/second.out"
	switch_on first second
	first=$machine
	switch_on second first
	second=$machine
	nsenter -t "$first" -n ip link add eth0 type veth peer name eth0 netns "$second"
	plug_in "$first" 10.78.0.1
	plug_in "$second" 10.78.0.2

	on_first "${readme[0]}" >"$dir/first.out" 2>&1 3>&-
	until_prints "$dir/first.out" ready
	# Neither the socket nor anything else of the first machine is on the second.
	on_first 'test -S /var/lib/slipway/slipway.sock'
	run -3 on_second 'slipway status'
	[ -z "$(on_second "find /var/lib/slipway $dir/first -mindepth 1")" ]
	printed=$(on_first "${readme[1]}")
	# What is printed has the form of what the README shows.
	[[ ${readme[2]} == "slipway worker --server https://FIRST:7433 --join slw_… &" ]]
	[[ $printed =~ ^"slipway worker --server https://first:7433 --join slw_"[0-9a-f_]+$ ]]
	nsenter -t "$second" -m -n -u bash -c "exec $printed" >"$dir/second.out" 2>&1 3>&- &
	typed=$!
	until_prints "$dir/second.out" "joined https://first:7433 as second"
	# It offers itself a moment later.
	on_first 'until slipway workers --json | jq -e "map(select(.name == \"second\" and .online)) | length == 1"; do :; done' >/dev/null
	run -0 on_first "${readme[3]}"
	[[ $output == *second*online* ]]

	on_first 'slipway worker-state first disabled'
	# It runs there, and its log comes back: from its first byte to its last, over the cable.
	id=$(on_first 'slipway submit -- sh -c "hostname; ip -4 -o address show eth0; seq 3000"')
	on_first "slipway wait $id"
	on_first "slipway log $id" >"$dir/log"
	[ "$(head -1 "$dir/log")" = second ]
	[[ $(sed -n 2p "$dir/log") == *10.78.0.2/24* ]]
	[ "$(sed -n '3,$p' "$dir/log")" = "$(seq 3000)" ]
	# shellcheck disable=SC2016 # there
	on_first 'kill $(cat /var/lib/slipway/lock)'
}
