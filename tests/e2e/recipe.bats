#!/usr/bin/env bats
# Recipes: branches become a source package, which becomes a build; a wrong recipe is told at once.
# shellcheck disable=SC2154 # lib.bash sets dir and data; tests are subshells

load lib

# A repository with a small native package. Its rules leave a mark if anything runs them.
make_repository() {
	mkdir -p "$1/debian/source"
	printf 'Source: tiny\nMaintainer: Nobody <nobody@localhost>\nSection: misc\nPriority: optional\nStandards-Version: 4.6.2\n\nPackage: tiny\nArchitecture: all\nDescription: tiny\n Tiny.\n' \
		>"$1/debian/control"
	printf 'tiny (1.0) unstable; urgency=low\n\n  * One.\n\n -- Nobody <nobody@localhost>  Mon, 01 Jan 2024 00:00:00 +0000\n' \
		>"$1/debian/changelog"
	echo '3.0 (native)' >"$1/debian/source/format"
	printf '#!/usr/bin/make -f\n$(shell touch %s)\n%%:\n\ttouch %s\n' "$dir/ran" "$dir/ran" >"$1/debian/rules"
	chmod +x "$1/debian/rules"
	echo text >"$1/file"
	ln -s file "$1/link"
	commit "$1"
}

commit() {
	git -C "$1" init -q 2>/dev/null
	git -C "$1" add -A
	git -C "$1" -c user.name=Nobody -c user.email=nobody@localhost commit -qm change
}

recipe() {
	printf '# git-build-recipe format 0.4 deb-version {debversion}+r{revno}\n' >"$dir/r.recipe"
	printf '%s\n' "$@" >>"$dir/r.recipe"
	sw recipe "$dir/r.recipe" --target nowhere
}

setup_file() {
	make_dir
	start_server --slots 2
	# A target that no worker here will make: builds for it stay where they are.
	sw cancel "$(sw target create nowhere --suite bookworm --arch none)"
	make_repository "$dir/repository"
}

teardown_file() {
	[ "$(sw admin check)" = "0 violations" ]
	stop_server
	remove_dir
}

setup() {
	command -v git-build-recipe >/dev/null || skip "git-build-recipe is not installed"
}

@test "a recipe makes a source package and starts a build of it" {
	id=$(recipe "$dir/repository")
	sw wait "$id"
	run -0 sw fetch "$id" -o "$dir/got"
	[ -f "$dir/got/tiny_1.0+r1.dsc" ]
	grep -q '^Version: 1.0+r1$' "$dir/got/tiny_1.0+r1.dsc"
	tar -tvf "$dir/got/tiny_1.0+r1.tar.xz" | grep -q 'link -> file$'
	tar -tf "$dir/got/tiny_1.0+r1.tar.xz" | grep -q '^tiny-1.0+r1/debian/control$'
	run ! grep -q '\.git' <(tar -tf "$dir/got/tiny_1.0+r1.tar.xz")
	build=$(sw list --kind build --json | jq -r '.[0].id')
	check_field "$build" .target nowhere
	check_field "$build" .build.version 1.0+r1
	check_field "$build" .build.type deb
	check_field "$build" .chain "$id"
	check_field "$build" '[.inputs[].name] | sort | join(" ")' "tiny_1.0+r1.dsc tiny_1.0+r1.tar.xz"
}

@test "nothing of the branch runs" {
	id=$(recipe "$dir/repository")
	sw wait "$id"
	[ ! -e "$dir/ran" ]
}

@test "branches are merged and nested" {
	mkdir -p "$dir/part/sub"
	echo part >"$dir/part/sub/data"
	commit "$dir/part"
	id=$(recipe "$dir/repository" "nest whole file://$dir/part inner" "nest-part some $dir/part sub data-of-part")
	sw wait "$id"
	sw fetch "$id" -o "$dir/nested"
	tar -tf "$dir"/nested/*.tar.xz >"$dir/files"
	grep -q '/inner/sub/data$' "$dir/files"
	grep -q '/data-of-part/data$' "$dir/files"
}

@test "a wrong recipe fails with the line" {
	id=$(recipe "$dir/repository" "foo bar")
	run -125 sw wait "$id"
	check_field "$id" .reason input
	check_field "$id" '.attempts[0].detail' "line 3: unknown instruction foo"
	run -0 sw why "$id"
	[[ $output == *"line 3: unknown instruction foo"* ]]
}

@test "a recipe may run no code, and fetches by known protocols only" {
	id=$(recipe "$dir/repository" "run touch $dir/ran")
	run -125 sw wait "$id"
	check_field "$id" '.attempts[0].detail' "line 3: the instruction run is not allowed: it runs code"
	id=$(recipe "ext::touch%20$dir/ran")
	run -125 sw wait "$id"
	check_field "$id" .reason input
	[ ! -e "$dir/ran" ]
}

@test "a branch that is not there is told" {
	id=$(recipe "$dir/no-such-repository")
	run ! sw wait "$id"
	check_field "$id" .reason input
	[[ $(field "$id" '.attempts[0].detail') == *"not appear to be a git repository"* ]]
	[ "$(field "$id" '.chain_jobs | length')" -le 1 ]
}

@test "a link in the branch does not lead the packing out of it" {
	cp -r "$dir/repository" "$dir/evil"
	echo untouched >"$dir/victim"
	ln -sf "$dir/victim" "$dir/evil/debian/git-build-recipe.manifest"
	commit "$dir/evil"
	id=$(recipe "$dir/evil")
	sw wait "$id" || :
	[ "$(cat "$dir/victim")" = untouched ]
	cp "$dir/evil/debian/changelog" "$dir/outside"
	cp "$dir/outside" "$dir/before"
	ln -sf "$dir/outside" "$dir/evil/debian/changelog"
	commit "$dir/evil"
	id=$(recipe "$dir/evil")
	run ! sw wait "$id"
	cmp "$dir/outside" "$dir/before"
}

@test "targets must exist when a recipe is accepted" {
	recipe "$dir/repository" >/dev/null
	run -4 sw recipe "$dir/r.recipe" --target absent
	[[ $output == *absent* ]]
}
