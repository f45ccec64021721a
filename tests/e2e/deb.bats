#!/usr/bin/env bats
# Debian packages, for real: a target by mmdebstrap, and builds in it that succeed, fail in their tests, or wait for a
# dependency. All of them run at once at the start; the tests look at how they ended.
# shellcheck disable=SC2154 # lib.bash sets dir and data; tests are subshells

load lib

# source NAME RULES BUILD-DEPENDS : an unpacked source package.
source_package() {
	mkdir -p "$dir/$1/debian/source"
	cat >"$dir/$1/debian/control" <<-END
		Source: $1
		Section: misc
		Priority: optional
		Maintainer: Nobody <nobody@localhost>
		Build-Depends: $3
		Standards-Version: 4.6.2
		Rules-Requires-Root: no

		Package: $1
		Architecture: all
		Description: package of a test
		 Made by a test.
	END
	printf '%s (1.0) unstable; urgency=low\n\n  * One.\n\n -- Nobody <nobody@localhost>  Mon, 01 Jan 2024 00:00:00 +0000\n' \
		"$1" >"$dir/$1/debian/changelog"
	echo '3.0 (native)' >"$dir/$1/debian/source/format"
	printf '%b' "$2" >"$dir/$1/debian/rules"
	chmod +x "$dir/$1/debian/rules"
}

# Why real builds cannot be tried here; nothing if they can.
why_not() {
	is_slow && { echo "the plain tree makes the target; a sanitizer does not run inside it"; return; }
	why_no_target
}

setup_file() {
	make_dir
	start_server --slots 2
	# A job that has run: the worker is there, and has said what it can.
	sw run -- true
	why=$(why_not)
	export why
	[ -z "$why" ] || return 0
	# shellcheck disable=SC1091 # the machine's own
	suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
	made=$(sw target create base --suite "$suite")
	sw wait "$made" || {
		sw log "$made" >&2
		return 1
	}
	# By hand, without debhelper: nothing to install.
	source_package plain '#!/usr/bin/make -f
clean:
build build-arch build-indep:
	test -z "$$SLIPWAY_TOKEN" && ! getent hosts localhost.invalid
binary binary-indep: build
	mkdir -p debian/plain/DEBIAN debian/plain/usr/share/plain
	id -u >debian/plain/usr/share/plain/uid
	dpkg-gencontrol -Pdebian/plain
	dpkg-deb --root-owner-group --build debian/plain ..
binary-arch:
' 'debhelper-compat (= 13) | dpkg-dev'
	source_package tested '#!/usr/bin/make -f\n%:\n\tdh $@\noverride_dh_auto_test:\n\t@sleep 1000 &\n\tfalse\n' \
		'debhelper-compat (= 13)'
	source_package missing '#!/usr/bin/make -f\n' \
		'dpkg-dev,\n libnever-dev (>= 2) [any] <!nothing>,\n#libcomment-dev,\n libneither | libnor'
	sed -i 's/\\n/\n/g' "$dir/missing/debian/control"
	plain=$(sw build "$dir/plain" --target base)
	tested=$(sw build "$dir/tested" --target base)
	missing=$(sw build "$dir/missing" --target base)
	export plain tested missing
	sw wait "$plain" "$tested" || :
}

teardown_file() {
	[ "$(sw admin check)" = "0 violations" ]
	stop_server
	remove_dir
}

setup() {
	[ -z "$why" ] || skip "$why"
}

@test "a target has an image, and commands run in it" {
	run -0 sw run --target base -- sh -c 'cat /etc/hostname; command -v dpkg-buildpackage; command -v gpgv'
	[[ $output == *slipway*dpkg-buildpackage*gpgv* ]]
	# Only Debian's own sources are in it.
	run -0 sw run --target base -- sh -c 'ls /etc/apt/sources.list.d'
	[[ $output != *node* ]]
}

@test "a package is built by an ordinary user, and its files are collected" {
	check_field "$plain" .state succeeded
	check_field "$plain" .build.version 1.0
	sw fetch "$plain" -o "$dir/got"
	[ -f "$dir/got/plain_1.0_all.deb" ]
	ls "$dir"/got/plain_1.0_*.changes "$dir"/got/plain_1.0_*.buildinfo
	dpkg-deb -x "$dir/got/plain_1.0_all.deb" "$dir/x"
	[ "$(cat "$dir/x/usr/share/plain/uid")" != 0 ]
}

@test "a build that fails in its tests says so" {
	check_field "$tested" .state failed
	check_field "$tested" .reason exit
	check_field "$tested" '.attempts[0].step' tests
}

@test "a build whose dependencies do not exist waits for them, and names them" {
	wait_for_state "$missing" depwait
	check_field "$missing" .attempts[0].detail 'libnever-dev (>= 2), libneither | libnor'
	run -0 sw why "$missing"
	[[ $output == *"libnever-dev (>= 2)"* ]]
}

@test "a damaged source package is an input that is wrong" {
	(cd "$dir" && dpkg-source -b plain >/dev/null 2>&1)
	printf x >>"$dir/plain_1.0.tar.xz"
	# The command line would refuse it: what is sent is what the .dsc does not say.
	sums=$(sha256sum "$dir/plain_1.0.tar.xz" | cut -d ' ' -f 1)
	size=$(stat -c %s "$dir/plain_1.0.tar.xz")
	sed -i "/^Checksums-Sha256/,/^[A-Z]/s/ [0-9a-f]\{64\} [0-9]* plain/ $sums $size plain/" "$dir/plain_1.0.dsc"
	id=$(sw build "$dir/plain_1.0.dsc" --target base)
	run ! sw wait "$id"
	check_field "$id" .reason input
	check_field "$id" '.attempts[0].step' unpack
}

@test "a target is brought up to date, and what waits for it goes on" {
	attempt=$(field "$missing" .attempt)
	id=$(sw target update base)
	sw wait "$id"
	[ "$(sw target show base --json | jq -r .job)" = "$id" ]
	wait_for_state "$missing" depwait
	[ "$(field "$missing" .attempt)" -gt "$attempt" ]
	sw cancel "$missing"
	run -0 sw run --target base -- dpkg --audit
}
