#!/usr/bin/env bats
# Commands in a chroot, package builds and recipe chains, on a real target.
# shellcheck disable=SC2154,SC2030,SC2031 # lib.bash sets dir and data; tests are subshells
#
# SLIPWAY_TEST_DATA: the data folder of a stopped server that has the target already; it is copied. Making one takes a
# minute, so the plain tree leaves its own beside itself for the tree with sanitizers.

load lib

# A folder that this run of the tests, or one of today, has left.
kept_data() { find "$(dirname "$SLIPWAY_BIN")/../test-target" -maxdepth 1 -name data -mmin -1440 2>/dev/null || :; }

keep_data() {
	local kept
	kept=$(dirname "$SLIPWAY_BIN")/../test-target
	# Into build/, never into the tree.
	[ ! -e "$(dirname "$SLIPWAY_BIN")/../meson.build" ] || return 0
	rm -rf "$kept"
	mkdir "$kept" && cp -a "$data" "$kept/making" && rm -rf "$kept/making/worker" && mv "$kept/making" "$kept/data" && touch "$kept/data"
}

setup_file() {
	make_dir
	# shellcheck disable=SC1091 # the machine's own
	suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
	target=$suite-$(dpkg --print-architecture)
	export suite target no_target=''
	if [ -z "${SLIPWAY_TEST_DATA:-}" ] && is_slow; then SLIPWAY_TEST_DATA=$(kept_data); fi
	[ -z "${SLIPWAY_TEST_DATA:-}" ] || cp -a "$SLIPWAY_TEST_DATA" "$data"
	start_server --slots 2
	no_target=$(why_no_target)
	make_package "$dir/greeter" greeter 1.0
	[ -z "$no_target" ] && [ -z "${SLIPWAY_TEST_DATA:-}" ] || return 0
	sw target create "$target" --suite "$suite" --follow >"$dir/id" 2>"$dir/target.log" || {
		cat "$dir/target.log" >&2
		return 1
	}
	is_slow || [ -n "${db_url:-}" ] || {
		stop_server
		keep_data
		start_server --slots 2
	}
}

setup() { [ -z "$no_target" ] || skip "$no_target"; }

teardown_file() {
	[ "$(sw admin check)" = "0 violations" ]
	stop_server
	remove_dir
}

# make_package FOLDER NAME VERSION: a source tree that builds in a second, without build dependencies.
make_package() {
	mkdir -p "$1/debian/source"
	echo '3.0 (native)' >"$1/debian/source/format"
	cat >"$1/debian/changelog" <<-TEXT
		$2 ($3) unstable; urgency=medium

		  * A release.

		 -- Test <test@example.org>  Thu, 01 Jan 2026 00:00:00 +0000
	TEXT
	cat >"$1/debian/control" <<-TEXT
		Source: $2
		Section: misc
		Priority: optional
		Maintainer: Test <test@example.org>
		Standards-Version: 4.6.2

		Package: $2
		Architecture: all
		Description: greets
		 A greeting.
	TEXT
	cat >"$1/debian/rules" <<-'TEXT'
		#!/usr/bin/make -f
		.RECIPEPREFIX := >
		package := $(shell dpkg-parsechangelog -S Source)
		clean:
		> rm -rf debian/tmp debian/files
		build build-arch build-indep:
		> sh ./greet
		binary binary-arch binary-indep: build
		> mkdir -p debian/tmp/DEBIAN debian/tmp/usr/bin
		> cp greet debian/tmp/usr/bin/$(package)
		> dpkg-gencontrol -p$(package)
		> dpkg-deb --root-owner-group -b debian/tmp ..
		.PHONY: clean build build-arch build-indep binary binary-arch binary-indep
	TEXT
	chmod +x "$1/debian/rules"
	printf '#!/bin/sh\necho Hello from %s\n' "$2" >"$1/greet"
	chmod +x "$1/greet"
}

@test "the target is ready" {
	[ "$(sw target show "$target" --json | jq -r .state)" = ready ]
	sw target list | grep -q "$target *ready *$suite"
	run -4 sw target show nowhere
}

@test "a command in a chroot has a clean root each time, and exits like at home" {
	run -0 sw run --target "$target" -- cat /etc/os-release
	[[ $output == *"VERSION_CODENAME=$suite"* ]]
	run -0 sw run --target "$target" -- sh -c 'echo x >/left.behind; ls /left.behind'
	run -1 sw run --target "$target" -- test -e /left.behind
	[ ! -e /left.behind ]
	run -9 sw run --target "$target" -- sh -c 'exit 9'
	run -137 sw run --target "$target" -- sh -c 'kill -KILL $$'
}

@test "inputs, artifacts and environment work in a chroot too" {
	head -c 50000 /dev/urandom >"$dir/bytes"
	# shellcheck disable=SC2016 # the job's
	id=$(sw submit --target "$target" --input "$dir/bytes" --env WORD=here --collect '*' -- \
		sh -c 'echo $WORD $SLIPWAY_JOB; cp bytes "$SLIPWAY_OUT/copy"')
	sw wait "$id"
	[ "$(sw log "$id")" = "here $id" ]
	sw fetch "$id" copy -o - | cmp - "$dir/bytes"
}

@test "cancel ends everything in a chroot" {
	id=$(sw submit --target "$target" -- sh -c 'trap "" TERM; (trap "" TERM; sleep 1000) & echo up; sleep 1000')
	log_until "$id" up
	sw cancel "$id"
	run -1 sw wait "$id"
	check_field "$id" .state cancelled
}

@test "build: an unpacked source package becomes packages" {
	id=$(sw build "$dir/greeter" --target "$target")
	sw wait "$id" || { sw log "$id"; false; }
	check_field "$id" .kind build
	check_field "$id" .build.type deb
	check_field "$id" .build.version 1.0
	check_field "$id" .build.target "$target"
	sw artifacts --json "$id" | jq -r '.[].name' | sort >"$dir/names"
	grep -qx 'greeter_1.0_all.deb' "$dir/names"
	grep -q '\.changes$' "$dir/names"
	grep -q '\.buildinfo$' "$dir/names"
	sw fetch "$id" '*.deb' -o "$dir/debs" >/dev/null
	[ "$(dpkg-deb -f "$dir/debs/greeter_1.0_all.deb" Package)" = greeter ]
	# The package installs and runs in a clean root.
	run -0 sw run --target "$target" --input "$dir/debs/greeter_1.0_all.deb" -- sh -c 'dpkg -i ./*.deb >/dev/null && greeter'
	[[ $output == *"Hello from greeter"* ]]
	sw list --kind build --json | jq -e ".[] | select(.id == $id) | .build.source == \"greeter_1.0\"" >/dev/null
}

@test "build: a .dsc with its files, many at once, followed" {
	(cd "$dir" && dpkg-source -b greeter >/dev/null && make_package other other 2.0 && dpkg-source -b other >/dev/null)
	run -0 --separate-stderr sw build "$dir/greeter_1.0.dsc" "$dir/other_2.0.dsc" --target "$target" --follow
	[ "$(wc -w <<<"$output")" -eq 2 ]
	for id in $output; do check_field "$id" .state succeeded; done
}

@test "build: a .dsc whose files are missing or wrong is refused before anything is submitted" {
	(cd "$dir" && make_package broken broken 3.0 && dpkg-source -b broken >/dev/null)
	before=$(sw list --json --limit 1 | jq '.[0].id')
	tarball=$(echo "$dir"/broken_3.0.tar.*)
	mv "$tarball" "$dir/aside"
	run -4 --separate-stderr sw build "$dir/broken_3.0.dsc" --target "$target"
	# shellcheck disable=SC2154 # bats sets it
	[[ $stderr == *broken_3.0.tar* ]]
	head -c "$(stat -c %s "$dir/aside")" /dev/zero >"$tarball"
	run -4 --separate-stderr sw build "$dir/broken_3.0.dsc" --target "$target"
	[[ $stderr == *SHA-256* ]]
	run -4 sw build "$dir" --target "$target"
	run -4 sw build "$dir/nowhere.dsc" --target "$target"
	[ "$(sw list --json --limit 1 | jq '.[0].id')" -eq "$before" ]
}

@test "build: a compile error is told by step and last lines" {
	make_package "$dir/sick" sick 1.0
	printf 'echo the compiler is not happy; exit 3\n' >"$dir/sick/greet"
	id=$(sw build "$dir/sick" --target "$target")
	run sw wait "$id"
	[ "$status" -ne 0 ]
	check_field "$id" .state failed
	check_field "$id" '.attempts[-1].step' build
	sw why "$id" >"$dir/why"
	grep -q build "$dir/why"
	sw log "$id" | grep -q 'the compiler is not happy'
}

@test "build: a dependency that does not exist waits for it, by name" {
	make_package "$dir/early" early 1.0
	sed -i 's/^Standards-Version.*/&\nBuild-Depends: slipway-no-such-package (>= 2)/' "$dir/early/debian/control"
	id=$(sw build "$dir/early" --target "$target")
	wait_for_state "$id" depwait
	sw why "$id" | grep -q slipway-no-such-package
	sw cancel "$id"
	check_field "$id" .state cancelled
}

@test "recipe: a cheap job makes the source, then a build follows in its chain" {
	make_package "$dir/tree" fromrecipe 1.0
	git -C "$dir/tree" init -q -b main
	git -C "$dir/tree" -c user.name=t -c user.email=t@example.org add .
	git -C "$dir/tree" -c user.name=t -c user.email=t@example.org commit -qm one
	printf '# git-build-recipe format 0.4 deb-version 1.0+{revno}\n%s main\n' "$dir/tree" >"$dir/good.recipe"
	run --separate-stderr sw recipe "$dir/good.recipe" --target "$target" --follow
	[ "$status" -eq 0 ] || { echo "$stderr"; sw why "$output"; false; }
	[[ $output =~ ^[0-9]+$ ]]
	recipe=$output
	build=$(sw show --json "$recipe" | jq '[.chain_jobs[] | select(.kind == "build")][0].id')
	check_field "$build" .state succeeded
	check_field "$build" .chain "$recipe"
	sw show "$build" >"$dir/shown"
	grep -q "$recipe recipe" "$dir/shown"
	grep -q "└─ $build build.*(this job)" "$dir/shown"
	sw artifacts "$build" | grep -q '\.deb'
}

@test "recipe: an error fails in seconds, names the line, and no build ever existed" {
	builds=$(sw list --json --kind build --limit 1000 | jq length)
	printf '# git-build-recipe format 0.4 deb-version 1.0\n%s main\nmrege packaging %s main\n' "$dir/tree" "$dir/tree" >"$dir/wrong.recipe"
	before=$SECONDS
	run sw recipe "$dir/wrong.recipe" --target "$target" --follow
	[ "$status" -ne 0 ]
	[ $((SECONDS - before)) -lt 30 ]
	id=$(sw list --json --kind recipe --limit 1 | jq '.[0].id')
	{ echo "$output"; sw log "$id" || :; sw why "$id" || :; } | grep -q 'line 3'
	[ "$(sw list --json --kind build --limit 1000 | jq length)" -eq "$builds" ]
}

@test "a target that is removed is not there any more" {
	id=$(sw submit --suspended --target "$target" -- true)
	sw target remove "$target" || { [ $? -eq 4 ]; }
	sw cancel "$id"
}
