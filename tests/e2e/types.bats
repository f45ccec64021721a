#!/usr/bin/env bats
# The scripts of build types where they can be tried without a target.

load lib

setup() {
	make_dir
	# shellcheck disable=SC2154 # lib.bash sets it
	mkdir -p "$dir/job/out" "$dir/bin" "$dir/apt/sources.list.d"
	types=$(cd "$BATS_TEST_DIRNAME/../../types" && pwd)
	export SLIPWAY_OUT=$dir/job/out SLIPWAY_RESULT=$dir/job/result.json SLIPWAY_APT_DIR=$dir/apt
}

teardown() { remove_dir; }

# create SUITE: target-create, with an mmdebstrap that only shows its arguments and its source file.
create() {
	# shellcheck disable=SC2016 # for the script's own shell
	printf '%s\n' '#!/bin/sh' 'for word; do echo "arg: $word"; last=$word; done' 'echo image >"$SLIPWAY_OUT/image.tar.gz"' \
		'echo image >"$SLIPWAY_OUT/image.tar.zst"' 'cat "$last"' >"$dir/bin/mmdebstrap"
	chmod +x "$dir/bin/mmdebstrap"
	(cd "$dir/job" && PATH=$dir/bin:$PATH SLIPWAY_TARGET_SUITE=$1 SLIPWAY_TARGET_ARCH=amd64 "$types/target-create/create")
}

@test "a target's sources are those of this machine that serve the suite" {
	cat >"$dir/apt/sources.list.d/debian.sources" <<-'END'
		# The archive
		Types: deb deb-src
		URIs: http://localhost/debian
		Suites: bookworm bookworm-updates bookworm-backports trixie
		Components: main contrib
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

		Types: deb
		URIs: http://localhost/security
		Suites: bookworm-security
		Components: main

		Enabled: no
		Types: deb
		URIs: http://localhost/off
		Suites: bookworm
		Components: main

		Types: deb-src
		URIs: http://localhost/sources
		Suites: bookworm
		Components: main
	END
	printf 'Types: deb\nURIs: http://localhost/node\nSuites: nodistro\nComponents: main\n' >"$dir/apt/sources.list.d/node.sources"
	printf 'Types: deb\nURIs: http://localhost/other\nSuites: bookworm\nComponents: stable\n' >"$dir/apt/sources.list.d/other.sources"
	printf 'deb [arch=amd64 signed-by=/k.gpg] http://localhost/line bookworm main # c\n# deb http://localhost/commented bookworm main\ndeb-src http://localhost/src bookworm main\n' \
		>"$dir/apt/sources.list"
	run -0 create bookworm
	[[ $output == *"Suites: bookworm bookworm-updates"$'\n'"URIs: http://localhost/debian"* ]]
	[[ $output == *"URIs: http://localhost/security"* ]]
	[[ $output == *"URIs: http://localhost/line"*"Signed-By: /k.gpg"* ]]
	[[ $output != *backports* && $output != *nodistro* && $output != *localhost/off* ]]
	[[ $output != *localhost/other* && $output != *commented* && $output != *localhost/src* && $output != *localhost/sources* ]]
	[[ $output == *"arg: --variant=buildd"* ]]
}

@test "a suite this machine has no source for comes from where its own does" {
	# shellcheck disable=SC1091 # the machine's own
	own=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[ -n "$own" ] || skip "this machine has no code name"
	printf 'Types: deb\nURIs: http://localhost/debian\nSuites: %s %s-updates\nComponents: main\n' "$own" "$own" \
		>"$dir/apt/sources.list.d/debian.sources"
	run -0 create zurg
	[[ $output == *"Suites: zurg zurg-updates"* ]]
	run -0 create sid
	[[ $output == *"Suites: sid"* && $output != *sid-updates* ]]
}

@test "without any source the job says so" {
	run -1 create bookworm
	[ "$(jq -r .message "$dir/job/result.json")" = "no package source of this machine serves the suite bookworm" ]
}

# source TEXT: an unpacked package whose changelog has this version.
source_tree() {
	mkdir -p "$1/debian"
	printf 'tiny (%s) unstable; urgency=low\n\n  * One.\n\n -- Nobody <nobody@localhost>  Mon, 01 Jan 2024 00:00:00 +0000\n' "$2" \
		>"$1/debian/changelog"
	printf 'Source: tiny\n' >"$1/debian/control"
	printf '#!/usr/bin/make -f\n' >"$1/debian/rules"
}

unpack() {
	rm -rf "$dir/job/.type"
	cp -r "$types/deb" "$dir/job/.type"
	(cd "$dir/job" && .type/unpack)
}

@test "deb: a source tree in a tar, with or without a folder around it" {
	source_tree "$dir/tree" 2:1.0-3
	tar -C "$dir" -cf "$dir/job/source.tar" tree
	run -0 unpack
	[ -x "$dir/job/tiny-1.0/debian/rules" ]
	[ "$(jq -r .version "$dir/job/result.json")" = 2:1.0-3 ]
	rm -rf "$dir/job/tiny-1.0"
	tar -C "$dir/tree" -cf "$dir/job/source.tar" .
	run -0 unpack
	[ -d "$dir/job/tiny-1.0/debian" ]
}

@test "deb: what is no source package is told" {
	run -1 unpack
	[ "$(jq -r .message "$dir/job/result.json")" = "there is neither a .dsc nor a source.tar" ]
	echo nonsense >"$dir/job/source.tar"
	run -1 unpack
	[ "$(jq -r .message "$dir/job/result.json")" = "source.tar cannot be unpacked" ]
	rm "$dir/job/source.tar"
	# shellcheck disable=SC2016 # a version is no place for code
	source_tree "$dir/tree" '1.0$(id)"'
	tar -C "$dir" -cf "$dir/job/source.tar" tree
	run -1 unpack
	[ "$(jq -r .message "$dir/job/result.json")" = "debian/changelog has no valid version" ]
}

@test "deb: the watcher passes every byte on, and knows the tests" {
	mark=0123456789abcdef
	{
		head -c 200000 /dev/urandom
		printf '   dh_auto_build\n   debian/rules override_dh_auto_test\nmake: failed\n0123456789'
	} >"$dir/in"
	(cat "$dir/in"; printf '%s\nafter it' "$mark") | "$types/deb/watch" "$mark" "$SLIPWAY_RESULT" >"$dir/got"
	cmp "$dir/in" "$dir/got"
	[ "$(jq -r .step "$SLIPWAY_RESULT")" = tests ]
	(printf '   dh_auto_test\n   dh_install -a\n'; printf '%s\n' "$mark") |
		"$types/deb/watch" "$mark" "$SLIPWAY_RESULT" >/dev/null
	[ "$(jq -r .step "$SLIPWAY_RESULT")" = null ]
}
