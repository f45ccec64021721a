#include "test.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "text/deb822.h"

static void test_paragraphs(void **state)
{
	static const char text[] =
		"\n# comment\nSource: hello\nBuild-Depends: a,\n# inside\n b,\n .\n\nPackage:hello\n"
		"Description: short\r\n long\n";
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct deb822 d;
	size_t used, at;
	assert_int_equal(deb822_parse(text, strlen(text), &a, &d, &used, NULL), 0);
	assert_int_equal(d.fields_len, 2);
	assert_string_equal(deb822_find(&d, "source"), "hello");
	assert_string_equal(deb822_find(&d, "Build-Depends"), "a,\nb,\n.");
	assert_null(deb822_find(&d, "Package"));
	at = used;
	assert_int_equal(deb822_parse(text + at, strlen(text) - at, &a, &d, &used, NULL), 0);
	assert_string_equal(deb822_find(&d, "Package"), "hello");
	assert_string_equal(deb822_find(&d, "Description"), "short\nlong");
	at += used;
	assert_int_equal(at, strlen(text));
	assert_int_equal(deb822_parse(text + at, 0, &a, &d, &used, NULL), 0);
	assert_int_equal(d.fields_len, 0);
}

static void test_errors(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "A: 1\nno colon\n", "line 2: not \"Name: value\"" },
		{ " first\n", "line 1: continues nothing" },
		{ "A: 1\nB: 2\na: 3\n", "line 3: A is there twice" },
		{ "A b: 1\n", "line 1: not \"Name: value\"" },
		{ ": 1\n", "line 1: not \"Name: value\"" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		CLEAN_ARENA struct arena a = ARENA_INIT;
		struct deb822 d;
		size_t used;
		struct err e = ERR_INIT;
		assert_int_equal(deb822_parse(cases[i].text, strlen(cases[i].text), &a, &d, &used, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		if (i == 2)
			assert_non_null(strstr(e.text, "is there twice"));
		else
			assert_string_equal(e.text, cases[i].error);
	}
}

static void test_signed(void **state)
{
	static const char text[] = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nFormat: 3.0 (quilt)\n"
				   "Files:\n a b\n c d\n- -----dashes: x\n\n"
				   "-----BEGIN PGP SIGNATURE-----\n\nxyz\n-----END PGP SIGNATURE-----\n";
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct deb822 d;
	size_t used, more;
	struct err e = ERR_INIT;
	assert_int_equal(deb822_parse(text, strlen(text), &a, &d, &used, &e), 0);
	assert_int_equal(d.fields_len, 3);
	assert_string_equal(deb822_find(&d, "Files"), "\na b\nc d");
	assert_string_equal(deb822_find(&d, "-----dashes"), "x");
	assert_null(deb822_find(&d, "Hash"));
	assert_int_equal(deb822_parse(text + used, strlen(text) - used, &a, &d, &more, &e), 0);
	assert_int_equal(d.fields_len, 0);
	assert_int_equal(used + more, strlen(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paragraphs),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_signed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
