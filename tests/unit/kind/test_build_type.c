#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/hash.h"
#include "kind/build_type_priv.h"

static char dir[] = "/tmp/slipway-types-XXXXXX";

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	return fd_remove_tree(AT_FDCWD, dir, NULL);
}

static void put(const char *path, const char *text, mode_t mode)
{
	CLEAN_BUF struct buf full = BUF_INIT, parent = BUF_INIT;
	buf_addf(&full, "%s/%s", dir, path);
	buf_addf(&parent, "%s/%.*s", dir, (int)(strrchr(path, '/') - path), path);
	assert_int_equal(fd_mkdirs(parent.data, 0700, NULL), 0);
	assert_int_equal(fd_replace_file(AT_FDCWD, full.data, text, strlen(text), mode, NULL), 0);
	assert_int_equal(chmod(full.data, mode), 0);
}

/* A whole type: what an installation adds. */
static void test_a_folder_is_a_type(void **state)
{
	struct build_types *types;
	struct err e = ERR_INIT;
	char sum[HASH_HEX_BYTES];
	put("pot/type.ini",
	    "; a comment\n[type]\nsummary = Translation templates\nscratch = disk\ncollect = *.pot\n"
	    "collect = log/*.txt\nsources = *.tar.*\ntimeout = 1h\nsilence = 90\n\n"
	    "[step extract]\nrun = bin/extract --all  it\nuser = root\nnetwork = mirror\ntimeout = 5m\n"
	    "[step report]\nrun = report\nreason = output\nalways = yes\n",
	    0644);
	put("pot/bin/extract", "#!/bin/sh\n", 0755);
	put("pot/report", "#!/bin/sh\nexit 1\n", 0755);
	put("pot/.hidden", "", 0644);
	assert_int_equal(build_types_load(dir, &types, &e), 0);
	const struct build_type *t = build_types_find(types, "pot");
	assert_non_null(t);
	assert_string_equal(t->summary, "Translation templates");
	assert_int_equal(t->scratch, SCRATCH_DISK);
	assert_false(t->is_internal);
	assert_string_equal(t->collect[1], "log/*.txt");
	assert_null(t->collect[2]);
	assert_string_equal(t->sources[0], "*.tar.*");
	assert_int_equal(t->timeout_ms, 3600000);
	assert_int_equal(t->silence_ms, 90000);
	assert_int_equal(t->steps_len, 2);
	assert_string_equal(t->steps[0].name, "extract");
	assert_string_equal(t->steps[0].argv[0], ".type/bin/extract");
	assert_string_equal(t->steps[0].argv[2], "it");
	assert_null(t->steps[0].argv[3]);
	assert_int_equal(t->steps[0].user, USER_ROOT);
	assert_int_equal(t->steps[0].network, NETWORK_MIRROR);
	assert_int_equal(t->steps[0].timeout_ms, 300000);
	assert_int_equal(t->steps[0].reason, REASON_EXIT);
	assert_int_equal(t->steps[1].reason, REASON_OUTPUT);
	assert_int_equal(t->steps[1].user, USER_BUILD);
	assert_true(t->steps[1].is_always);
	assert_int_equal(t->files_len, 3);
	hash_bytes("#!/bin/sh\n", 10, sum);
	for (size_t i = 0; i < t->files_len; i++)
		if (strcmp(t->files[i].name, "bin/extract") == 0) {
			assert_string_equal(t->files[i].sha256, sum);
			assert_int_equal(t->files[i].mode, 0755);
		}
	build_types_free(types);
}

static void test_the_built_in_types(void **state)
{
	struct build_types *types;
	struct err e = ERR_INIT;
	assert_int_equal(build_types_load(NULL, &types, &e), 0);
	const struct build_type *deb = build_types_find(types, "deb");
	assert_non_null(deb);
	assert_int_equal(deb->steps_len, 3);
	assert_int_equal(deb->steps[2].user, USER_BUILD);
	assert_int_equal(deb->steps[2].network, NETWORK_NONE);
	assert_true(build_types_find(types, "recipe")->is_internal);
	assert_null(build_types_find(types, "pot"));
	size_t n = 0;
	while (build_types_at(types, n + 1)) {
		assert_true(strcmp(build_types_at(types, n)->name, build_types_at(types, n + 1)->name) < 0);
		n++;
	}
	build_types_free(types);
}

static void test_a_folder_replaces_a_built_in(void **state)
{
	struct build_types *types;
	put("deb/type.ini", "[type]\nsummary = mine\n[step one]\nrun = one\n", 0644);
	put("deb/one", "#!/bin/sh\n", 0755);
	assert_int_equal(build_types_load(dir, &types, NULL), 0);
	assert_string_equal(build_types_find(types, "deb")->summary, "mine");
	build_types_free(types);
}

static const struct {
	const char *ini, *error;
} wrong[] = {
	{ "", "type.ini:0: there is no [step NAME]" },
	{ "[type]\nsummary = x\n", "type.ini:2: there is no [step NAME]" },
	{ "[type]\ncolour = red\n", "type.ini:2: unknown key \"colour\"" },
	{ "[type]\nscratch = ram\n",
	  "type.ini:2: scratch: \"ram\" is not one of its values (memory, disk …)" },
	{ "[type]\nsummary = a\nsummary = b\n", "type.ini:3: summary is there twice" },
	{ "[type]\ncollect = ../*\n",
	  "type.ini:2: collect: \"../*\" is not a pattern for files in a folder" },
	{ "[other]\na = b\n", "type.ini:2: unknown section [other]" },
	{ "[type]\nnonsense\n", "type.ini:2: neither [section] nor key = value" },
	{ "[step a]\nrun = absent\n", "type.ini:2: run: the folder has no file \"absent\"" },
	{ "[step a]\nrun = data\n", "type.ini:2: run: data cannot be executed" },
	{ "[step a]\nuser = me\n", "type.ini:2: user: \"me\" is not one of its values (build, root …)" },
	{ "[step a]\nnetwork = some\n", "type.ini:2: network: \"some\" is not none, mirror or full" },
	{ "[step a]\nreason = why\n", "type.ini:2: reason: there is no reason \"why\"" },
	{ "[step a]\ntimeout = soon\n",
	  "type.ini:2: timeout: timeout: \"soon\" is not a duration like 90, 500ms, 90s, 15m, 2h or 1d" },
	{ "[step A]\nrun = tool\n",
	  "type.ini:2: a step's name is at most 40 lower-case letters, digits and '-'" },
	{ "[step a]\nrun = tool\n[step b]\nrun = tool\n[step a]\nuser = root\n",
	  "type.ini:6: the step a is there twice" },
	{ "[step a]\nuser = root\n", "type.ini: the step a has no run = FILE" },
};

static void test_errors_name_the_line(void **state)
{
	static const struct build_type_file files[] = { { .name = "tool", .mode = 0755 },
							{ .name = "data", .mode = 0644 } };
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		CLEAN_ARENA struct arena a = ARENA_INIT;
		struct build_type t = { .name = "x", .files = files, .files_len = 2 };
		struct err e = ERR_INIT;
		assert_int_equal(type_ini_parse(wrong[i].ini, strlen(wrong[i].ini), &t, &a, &e), -1);
		assert_string_equal(e.text, wrong[i].error);
	}
}

static void test_a_long_line_is_not_cut_in_silence(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	CLEAN_BUF struct buf b = BUF_INIT;
	struct build_type t = { .name = "x" };
	struct err e = ERR_INIT;
	buf_adds(&b, "[type]\nsummary = ");
	for (int i = 0; i < 200; i++)
		buf_addc(&b, 'x');
	assert_int_equal(type_ini_parse(b.data, b.len, &t, &a, &e), -1);
	assert_string_equal(e.text, "type.ini:2: longer than 197 bytes");
}

static void test_an_error_names_the_type(void **state)
{
	struct build_types *types;
	struct err e = ERR_INIT;
	put("bad/type.ini", "[step a]\nrun = nothing\n", 0644);
	assert_int_equal(build_types_load(dir, &types, &e), -1);
	assert_null(types);
	assert_non_null(strstr(e.text, "/bad: type.ini:2: run"));
	assert_int_equal(build_types_load("/nonexistent/types", &types, &e), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_folder_is_a_type),
		cmocka_unit_test(test_the_built_in_types),
		cmocka_unit_test(test_a_folder_replaces_a_built_in),
		cmocka_unit_test(test_errors_name_the_line),
		cmocka_unit_test(test_a_long_line_is_not_cut_in_silence),
		cmocka_unit_test(test_an_error_names_the_type),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
