#include "test.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/path.h"

static void check_join(const char *dir, const char *name, const char *whole)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	assert_string_equal(path_join_in(&a, dir, name), whole);
}

static void test_join(void **state)
{
	check_join("a", "b", "a/b");
	check_join("a/", "b", "a/b");
	check_join("a//", "b", "a/b");
	check_join("/", "b", "/b");
	check_join("//", "b", "/b");
	check_join("", "b", "b");
	check_join("a", "/b", "/b");
	check_join("a", "", "a/");
}

static void test_base(void **state)
{
	assert_string_equal(path_base("a/b/c"), "c");
	assert_string_equal(path_base("c"), "c");
	assert_string_equal(path_base("a/"), "");
	assert_string_equal(path_base(""), "");
}

static void test_safe_relative(void **state)
{
	static const char *const good[] = { "a",   "a/b", ".a",	 "a/.b",       "..a",
					    "a..", "...", "a b", "\xc3\xa4/x", "-x" };
	static const char *const bad[] = {
		"",	"/",	"/a",	  "a/",	  "a//b", ".",	  "..",	   "./a",	"a/.",
		"../a", "a/..", "a/../b", "a\nb", "a\tb", "\x01", "a\x7f", "a/\x1b[2J",
	};
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (!path_is_safe_relative(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (path_is_safe_relative(bad[i]))
			fail_msg("taken: %s", bad[i]);
	assert_true(path_is_safe_name("a"));
	assert_false(path_is_safe_name("a/b"));
	assert_false(path_is_safe_name(".."));
}

static void test_safe_relative_is_bounded(void **state)
{
	char name[PATH_LIMIT_BYTES + 3];
	memset(name, 'a', sizeof name);
	name[PATH_PART_LIMIT_BYTES] = '\0';
	assert_true(path_is_safe_relative(name));
	name[PATH_PART_LIMIT_BYTES] = 'a';
	name[PATH_PART_LIMIT_BYTES + 1] = '\0';
	assert_false(path_is_safe_relative(name));
	memset(name, 'a', sizeof name);
	for (size_t i = 100; i < sizeof name; i += 100)
		name[i] = '/';
	name[PATH_LIMIT_BYTES] = '\0';
	assert_true(path_is_safe_relative(name));
	name[PATH_LIMIT_BYTES] = 'a';
	name[PATH_LIMIT_BYTES + 1] = '\0';
	assert_false(path_is_safe_relative(name));
}

static void test_matches(void **state)
{
	static const struct {
		const char *glob, *path;
		int is_match;
	} rows[] = {
		{ "*.deb", "a.deb", 1 },
		{ "*.deb", "x/a.deb", 0 },
		{ "*/*.deb", "x/a.deb", 1 },
		{ "**/*.deb", "a.deb", 1 },
		{ "**/*.deb", "x/y/z/a.deb", 1 },
		{ "**/*.deb", "x/y/z/a.dsc", 0 },
		{ "x/**", "x/a", 1 },
		{ "x/**", "x/a/b", 1 },
		{ "x/**", "y/a", 0 },
		{ "**", "x/a/b", 1 },
		{ "a/**/b", "a/b", 1 },
		{ "a/**/b", "a/x/y/b", 1 },
		{ "a/**/b", "a/x/y/c", 0 },
		{ "a/**/m/**/b", "a/m/m/x/b", 1 },
		{ "a/**/m/**/b", "a/x/n/x/b", 0 },
		{ "**/a/**/a", "a/a", 1 },
		{ "?", "a", 1 },
		{ "?", "ab", 0 },
		{ "[ab]c", "bc", 1 },
		{ "a", "a/b", 0 },
		{ "a/b", "a", 0 },
		{ "a/b", "a/b", 1 },
		{ "", "a", 0 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (path_matches(rows[i].glob, rows[i].path) != rows[i].is_match)
			fail_msg("%s against %s", rows[i].glob, rows[i].path);
}

/* The plain definition, exponential in time, to compare with. */
static int matches_plainly(const char *glob, const char *path)
{
	if (!*glob)
		return !*path;
	if (strncmp(glob, "**", 2) == 0) {
		const char *rest = glob[2] ? glob + 3 : "";
		if (!*rest)
			return *path != '\0';
		for (const char *at = path;; at++) {
			if (matches_plainly(rest, at))
				return 1;
			at = strchr(at, '/');
			if (!at)
				return 0;
		}
	}
	if (!*path || (glob[0] != '*' && glob[0] != path[0]))
		return 0;
	if (!glob[1] || !path[1])
		return !glob[1] && !path[1];
	return matches_plainly(glob + 2, path + 2);
}

/* All globs of up to 5 parts out of {a, *, **} against all paths of up to 5 parts out of {a, b}. */
static void test_matches_like_the_plain_definition(void **state)
{
	static const char *const parts[] = { "a", "*", "**" };
	for (int g = 0; g < 243 * 5; g++) {
		CLEAN_BUF struct buf glob = BUF_INIT;
		for (int i = 0, rest = g % 243; i <= g / 243; i++, rest /= 3)
			buf_addf(&glob, "%s%s", i ? "/" : "", parts[rest % 3]);
		for (int p = 0; p < 32 * 5; p++) {
			char path[16] = "";
			for (int i = 0; i <= p / 32; i++) {
				path[2 * i] = "ab"[p % 32 >> i & 1];
				path[2 * i + 1] = i < p / 32 ? '/' : '\0';
			}
			if (path_matches(glob.data, path) != matches_plainly(glob.data, path))
				fail_msg("%s against %s", glob.data, path);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_safe_relative),
		cmocka_unit_test(test_safe_relative_is_bounded),
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_matches_like_the_plain_definition),
	};
	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
