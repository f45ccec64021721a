#!/usr/bin/env bats
# The checks of the house find what they are there to find.

setup() {
	house=$BATS_TEST_TMPDIR/house
	mkdir -p "$house/src/base" "$house/src/text" "$house/src/run"
	printf 'base:\ntext: base\nrun: base\n' >"$house/src/LAYERS"
	touch "$house/src/base/err.h"
}

lint_layers() {
	run "$SLIPWAY_SRC/tools/lint-layers" "$house"
}

@test "layers: what the table allows passes" {
	printf '#include <stdio.h>\n#include "base/err.h"\n#include "text/own_priv.h"\n' >"$house/src/text/a.c"
	lint_layers
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "layers: a layer that isn't allowed is named with file and line" {
	printf '#include "base/err.h"\n#include "text/json.h"\n' >"$house/src/run/a.c"
	lint_layers
	[ "$status" -ne 0 ]
	[ "$output" = "src/run/a.c:2: run may not include text (src/LAYERS)" ]
}

@test "layers: nothing below may include what is above" {
	printf '  #  include "text/json.h"\n' >"$house/src/base/a.h"
	lint_layers
	[ "$status" -ne 0 ]
}

@test "layers: a private header stays in its folder" {
	printf '#include "base/map_priv.h"\n' >"$house/src/text/a.c"
	lint_layers
	[ "$status" -ne 0 ]
	[[ $output = *"private to base"* ]]
}

@test "layers: unknown folders and names that hide the folder are found" {
	mkdir "$house/src/util"
	printf '#include "err.h"\n#include "../base/err.h"\n#include "nowhere/x.h"\n' >"$house/src/util/a.c"
	lint_layers
	[ "$status" -ne 0 ]
	[ "${#lines[@]}" -eq 4 ]
}

@test "layers: the table itself must go from the ground up" {
	printf 'base: text\ntext: base\n' >"$house/src/LAYERS"
	printf 'int a;\n' >"$house/src/base/a.c"
	lint_layers
	[ "$status" -ne 0 ]
}

compile() {
	printf '%s\n' '#include <stdlib.h>' '#include <string.h>' '#include <time.h>' 'int f(char *a, const char *b);' \
		"int f(char *a, const char *b) { $1 }" >"$BATS_TEST_TMPDIR/a.c"
	run gcc -D_GNU_SOURCE -include "$SLIPWAY_SRC/src/base/banned.h" -Wall -Werror -fsyntax-only "$BATS_TEST_TMPDIR/a.c"
}

@test "banned functions stop the compiler and name what to use" {
	compile 'return a[0] == b[0] && memcmp(a, b, 1) && strlen(b);'
	[ "$status" -eq 0 ]
	compile 'strcpy(a, b); return 0;'
	[ "$status" -ne 0 ]
	[[ $output = *"strcpy_is_banned_use_buf_adds"* ]]
	for call in 'return atoi(b);' 'return system(b);' 'return !strtok(a, b);' 'return rand();' 'return !alloca(4);'; do
		compile "$call"
		[ "$status" -ne 0 ]
	done
}

@test "files built in come out as they are, bytes of any value included" {
	printf 'one\n' >"$BATS_TEST_TMPDIR/one.sql"
	head -c 5000 /dev/urandom >"$BATS_TEST_TMPDIR/two"
	: >"$BATS_TEST_TMPDIR/empty"
	"$SLIPWAY_SRC/tools/embed" things "$BATS_TEST_TMPDIR/one.sql" "$BATS_TEST_TMPDIR/two" "$BATS_TEST_TMPDIR/empty" \
		>"$BATS_TEST_TMPDIR/things.c"
	cat >"$BATS_TEST_TMPDIR/main.c" <<'END'
#include <stdio.h>
#include <string.h>
#include "base/embed.h"
extern const struct embed_file things[];
int main(int argc, char **argv)
{
	const struct embed_file *f = embed_find(things, argv[1]);
	return !f || fwrite(f->bytes, 1, f->size_bytes, stdout) != f->size_bytes || f->bytes[f->size_bytes];
}
END
	gcc -I"$SLIPWAY_SRC/src" -o "$BATS_TEST_TMPDIR/main" "$BATS_TEST_TMPDIR/main.c" "$BATS_TEST_TMPDIR/things.c" \
		"$SLIPWAY_SRC/src/base/embed.c"
	for name in one.sql two empty; do
		"$BATS_TEST_TMPDIR/main" "$name" | cmp - "$BATS_TEST_TMPDIR/$name"
	done
	run "$BATS_TEST_TMPDIR/main" three
	[ "$status" -eq 1 ]
}
