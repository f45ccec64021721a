#include "test.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "text/deb822.h"

#define SUM "170a6e68730d9bd6642fbdb657ad5a6dd13b4eee1b21ae02106e9c1724e6542c"

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

static void test_signed_dsc(void **state)
{
	static const char text[] =
		"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nFormat: 3.0 (quilt)\nSource: hello\n"
		"Version: 2.10-3\nChecksums-Sha256:\n " SUM " 725946 hello_2.10.orig.tar.gz\n " SUM
		" 12688 hello_2.10-3.debian.tar.xz\n- -----dashes: x\n\n"
		"-----BEGIN PGP SIGNATURE-----\n\nxyz\n-----END PGP SIGNATURE-----\n";
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct dsc dsc;
	struct err e = ERR_INIT;
	assert_int_equal(dsc_parse(text, strlen(text), &a, &dsc, &e), 0);
	assert_string_equal(dsc.source, "hello");
	assert_string_equal(dsc.version, "2.10-3");
	assert_int_equal(dsc.files_len, 2);
	assert_string_equal(dsc.files[1].name, "hello_2.10-3.debian.tar.xz");
	assert_int_equal(dsc.files[1].size_bytes, 12688);
	assert_string_equal(dsc.files[0].sha256, SUM);
}

static void test_bad_dsc(void **state)
{
	static const char *const bad[] = {
		"Source: a\nVersion: 1\n",
		"Source: a\nVersion: 1\nChecksums-Sha256:\n " SUM " 1 ../etc/passwd\n",
		"Source: a\nVersion: 1\nChecksums-Sha256:\n " SUM " -1 a\n",
		"Source: a\nVersion: 1\nChecksums-Sha256:\n abc 1 a\n",
		"Source: a\nVersion: 1\nChecksums-Sha256:\n " SUM " 1 a b\n",
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		CLEAN_ARENA struct arena a = ARENA_INIT;
		struct dsc dsc;
		struct err e = ERR_INIT;
		assert_int_equal(dsc_parse(bad[i], strlen(bad[i]), &a, &dsc, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paragraphs),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_signed_dsc),
		cmocka_unit_test(test_bad_dsc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
