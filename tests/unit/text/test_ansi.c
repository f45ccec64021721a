#include "test.h"

#include <string.h>

#include "base/buf.h"
#include "text/ansi.h"
#include "text/utf8.h"

static void assert_cleaned(bool colour, const char *in, size_t n, const char *wanted)
{
	/* In one piece, and byte by byte. */
	for (size_t step = n; step >= 1; step = step == n && n > 1 ? 1 : 0) {
		CLEAN_BUF struct buf out = BUF_INIT;
		struct ansi a = ANSI_INIT(colour);
		for (size_t at = 0; at < n; at += step)
			ansi_clean(&a, in + at, step < n - at ? step : n - at, &out);
		ansi_finish(&a, &out);
		assert_string_equal(out.data, wanted);
	}
}

#define CLEANED(colour, in, wanted) assert_cleaned(colour, in, sizeof(in) - 1, wanted)

static void test_plain_text_passes(void **state)
{
	CLEANED(false, "plain\ttext\r\n", "plain\ttext\r\n");
	CLEANED(false, "é€𝄞", "é€𝄞");
}

static void test_controls_become_visible(void **state)
{
	CLEANED(true, "a\0b\x07\x7f", "a^@b^G^?");
	CLEANED(true, "\xff\x80z", "\\xff\\x80z");
	CLEANED(true,
		"\xc2\x9b"
		"31m",
		"\\u009b31m");
	CLEANED(true, "a\u202Eb\u2066", "a\\u202eb\\u2066");
	CLEANED(true, "\xed\xa0\x80", "\\xed\\xa0\\x80");
}

static void test_sequences(void **state)
{
	CLEANED(true, "\x1b[1;31mred\x1b[0m\x1b[m", "\x1b[1;31mred\x1b[0m\x1b[m");
	CLEANED(false, "\x1b[31mred", "^[[31mred");
	CLEANED(true, "\x1b[2J\x1b]0;title\x07", "^[[2J^[]0;title^G");
	CLEANED(true,
		"\x1b"
		"c",
		"^[c");
	CLEANED(true, "\x1b[31;31;31;31;31;31;31;31;31;31;31;31m", "^[[31;31;31;31;31;31;31;31;31;31;31;31m");
	CLEANED(true, "\x1b[3\x1b[2m", "^[[3\x1b[2m");
}

static void test_cut_at_the_end(void **state)
{
	CLEANED(true, "x\xe2\x82", "x\\xe2\\x82");
	CLEANED(true, "x\x1b[3", "x^[[3");
	CLEANED(true, "x\xf0\x9d\x84", "x\\xf0\\x9d\\x84");
}

static void test_utf8_cut(void **state)
{
	assert_int_equal(utf8_cut("aé", 3, 2), 1);
	assert_int_equal(utf8_cut("aé", 3, 3), 3);
	assert_int_equal(utf8_cut("abc", 3, 2), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_text_passes), cmocka_unit_test(test_controls_become_visible),
		cmocka_unit_test(test_sequences),	  cmocka_unit_test(test_cut_at_the_end),
		cmocka_unit_test(test_utf8_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
