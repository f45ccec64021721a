#include "test.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "text/recipe.h"

#define HEADER "# git-build-recipe format 0.4 deb-version {debupstream}-0~{revtime}\n"

static int parse(const char *text, struct arena *a, struct recipe *r, struct err *e)
{
	return recipe_parse(text, strlen(text), a, r, e);
}

static void test_all_instructions(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct recipe r;
	struct err e = ERR_INIT;
	assert_int_equal(parse(HEADER
			       "# a comment of more than eight words is just a comment, and not cut at all\n"
			       "/srv/git/hello main\n"
			       "\n"
			       "merge fixes https://localhost/fixes.git\n"
			       "nest plugin lp:plugin plugins/one v1\n"
			       "  nest-part tests git://localhost/t data/set tests/set abc\n"
			       "nest-part packaging file:///srv/git/packaging debian\r\n",
			       &a, &r, &e),
			 0);
	assert_string_equal(r.deb_version, "{debupstream}-0~{revtime}");
	assert_int_equal(r.branches_len, 5);
	assert_string_equal(r.branches[0].url, "/srv/git/hello");
	assert_string_equal(r.branches[0].revision, "main");
	assert_int_equal(r.branches[2].verb, RECIPE_NEST);
	assert_string_equal(r.branches[2].folder, "plugins/one");
	assert_string_equal(r.branches[2].revision, "v1");
	assert_int_equal(r.branches[3].depth, 1);
	assert_string_equal(r.branches[3].path, "data/set");
	assert_string_equal(r.branches[3].folder, "tests/set");
	assert_string_equal(r.branches[4].path, "debian");
	assert_null(r.branches[4].folder);
	assert_int_equal(r.branches[4].line, 8);
}

static void test_errors_name_the_line(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", "line 1: must be" },
		{ "hello\n", "line 1: must be" },
		{ "# git-build-recipe format 0.5\n/a\n", "line 1: unknown format 0.5" },
		{ "# git-build-recipe format 0.4 version 1\n/a\n", "line 1: \"deb-version\" was expected" },
		{ HEADER "\n# only\n", "line 3: there is no branch" },
		{ HEADER "/a\nfoo x /b\n", "line 3: unknown instruction foo" },
		{ HEADER "/a\nrun make\n", "line 3: the instruction run is not allowed" },
		{ HEADER "/a\nmerge x\n", "line 3: must be merge NAME URL" },
		{ HEADER "/a\nmerge x /b c d\n", "line 3: must be merge NAME URL" },
		{ HEADER "/a\nmerge x /b\nmerge x /c\n", "line 4: the name x is taken by line 3" },
		{ HEADER "/a\n  merge x /b\n", "line 3: may be indented only after a nest" },
		{ HEADER "/a\nnest x /b c\n    merge y /d\n", "line 4: may be indented only after a nest" },
		{ HEADER "/a\nnest x /b c\n   merge y /d\n", "line 4: indented by 3 spaces" },
		{ HEADER "/a\nnest x /b c\n\tmerge y /d\n", "line 4: indented by a tab" },
		{ HEADER "/a\nnest x /b ../c\n", "line 3: ../c is not a folder" },
		{ HEADER "/a\nnest x /b c/.GIT/hooks\n", "line 3: c/.GIT/hooks is not a folder" },
		{ HEADER "/a\nnest-part x /b debian /etc\n", "line 3: /etc is not a folder" },
		{ HEADER "ext::sh%20-c%20id\n", "line 2: ext::sh%20-c%20id is neither" },
		{ HEADER "relative/path\n", "line 2: relative/path is neither" },
		{ HEADER "--upload-pack=id\n", "line 2: --upload-pack=id looks like an option" },
		{ HEADER "/a --exec=id\n", "line 2: --exec=id looks like an option" },
		{ HEADER "/a b c\n", "line 2: must be URL [REVISION]" },
		{ HEADER "/a\x1b[31m\n", "line 2: a control character" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		CLEAN_ARENA struct arena a = ARENA_INIT;
		struct recipe r;
		struct err e = ERR_INIT;
		assert_int_equal(parse(cases[i].text, &a, &r, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		if (strncmp(e.text, cases[i].error, strlen(cases[i].error)) != 0)
			fail_msg("\"%s\" does not begin with \"%s\"", e.text, cases[i].error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_instructions),
		cmocka_unit_test(test_errors_name_the_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
