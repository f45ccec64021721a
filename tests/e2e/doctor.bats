#!/usr/bin/env bats
# What `doctor` says when something is taken away from the machine it looks at.
# shellcheck disable=SC2154,SC2030,SC2031 # lib.bash sets dir; tests are subshells

load lib

setup() {
	make_dir
	unset SLIPWAY_SERVER
}

teardown() {
	remove_dir
}

# state CHECK, fix CHECK: of the JSON in $output.
state() { jq -r --arg c "$1" '.checks[] | select(.check == $c) | .state' <<<"$output"; }
fix() { jq -r --arg c "$1" '.checks[] | select(.check == $c) | .fix' <<<"$output"; }

@test "a table with a line a check, the same in JSON, and status 0 where native jobs can run" {
	run -0 sw doctor --work "$dir/w"
	[[ ${lines[0]} == CHECK*STATE*WHAT* ]]
	for check in kernel 'user namespaces' 'subordinate ids' overlay seccomp 'network namespaces' chroot kvm cgroup \
		'limit memory' 'limit pids' disk clock mmdebstrap git server; do
		grep -Eq "^$check +(ok|limited|missing) " <<<"$output"
	done
	[[ $output == *'This machine can work.'* ]]
	run -0 sw doctor --json --work "$dir/w"
	jq -e '.able and (.checks | length > 15)
		and all(.checks[]; .state == "ok" or .state == "limited" or .state == "missing")
		and all(.checks[]; .text != "")' <<<"$output"
	# Nothing is made where the worker would be, and nothing stays.
	[ ! -e "$dir/w" ]
	[ -z "$(find /tmp -maxdepth 1 -name 'slipway-doctor-*' -user "$(id -u)" 2>/dev/null)" ]
}

@test "it agrees with what a worker offers" {
	start_server --slots 1
	SLIPWAY_SERVER=unix:$data/slipway.sock
	export SLIPWAY_SERVER
	sw run -- true
	run sw workers --json
	offered=$(jq -r '.[0].isolations | index("chroot") != null' <<<"$output")
	run sw doctor --json --isolation chroot
	if [ "$offered" = true ]; then [ "$status" -eq 0 ]; else [ "$status" -eq 1 ]; fi
	[ "$(state chroot)" = "$(if [ "$offered" = true ]; then echo ok; else echo missing; fi)" ]
	kill "$server_pid"
	wait "$server_pid"
}

@test "programs that are not installed" {
	mkdir "$dir/bin"
	ln -s "$(type -P git)" "$dir/bin/git"
	run -0 env PATH="$dir/bin" "$SLIPWAY_BIN" doctor --json
	[ "$(state git)" = ok ]
	[ "$(state mmdebstrap)" = missing ]
	[ "$(fix mmdebstrap)" = 'apt-get install mmdebstrap' ]
	[ "$(fix dpkg-source)" = 'apt-get install dpkg-dev' ]
}

@test "a full disk: no work can be done" {
	run -1 sw doctor --json --work "$dir/w" --min-free 1000000G
	[ "$(state disk)" = missing ]
	jq -e '.able == false' <<<"$output"
	run -1 sw doctor --work "$dir/w" --min-free 1000000G
	[[ $output == *'This machine cannot work as it is.'* ]]
	[[ $output == *'less than'*'(worker --min-free)'* ]]
}

@test "a server that does not answer, and one that does" {
	run -1 sw doctor --json --server "unix:$dir/none"
	[ "$(state server)" = missing ]
	start_server --slots 0
	run -0 sw doctor --json --server "unix:$data/slipway.sock"
	[ "$(state server)" = ok ]
	kill "$server_pid"
	wait "$server_pid"
}

@test "no user namespaces: the switch that allows them is named" {
	[ "$(id -u)" -eq 0 ] || skip "only root may take them away"
	unshare -U -r true || skip "this kernel has no user namespaces"
	run -1 unshare -U -r sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$0" doctor --json --isolation chroot' "$SLIPWAY_BIN"
	[ "$(state 'user namespaces')" = missing ]
	[ "$(fix 'user namespaces')" = 'sysctl -w user.max_user_namespaces=10000' ]
	[ "$(state chroot)" = missing ]
	[ "$(state 'network namespaces')" = missing ]
}

@test "no control groups: limits are not enforced, and native jobs run all the same" {
	[ "$(id -u)" -eq 0 ] || skip "only root may take them away"
	run -0 unshare -m sh -c 'umount -R /sys/fs/cgroup && exec "$0" doctor --json' "$SLIPWAY_BIN"
	[ "$(state cgroup)" = limited ]
	[ "$(state 'limit memory')" = limited ]
	[ -n "$(fix 'limit memory')" ]
}

@test "an ordinary user without subordinate ids is told how to get some" {
	[ "$(id -u)" -eq 0 ] || skip "only root may become another user"
	grep -q '^nobody:' /etc/subuid && skip "nobody has subordinate ids here"
	chmod 755 "$dir"
	run -1 setpriv --reuid 65534 --clear-groups env HOME="$dir" USER=nobody XDG_STATE_HOME="$dir" \
		"$SLIPWAY_BIN" doctor --json --isolation chroot
	[ "$(state 'subordinate ids')" = missing ]
	[ "$(fix 'subordinate ids')" = 'usermod --add-subuids 100000-165535 --add-subgids 100000-165535 nobody' ]
	run -0 setpriv --reuid 65534 --clear-groups env HOME="$dir" USER=nobody XDG_STATE_HOME="$dir" \
		"$SLIPWAY_BIN" doctor --json
}
