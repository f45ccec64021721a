#include "cli/table.h"

#include "base/buf.h"
#include "base/clean.h"
#include "cli/fields.h"
#include "cli/term.h"
#include "test.h"

static const struct table_column columns[] = {
	{ .title = "ID", .importance = 100, .is_right = true },
	{ .title = "STATE", .importance = 90 },
	{ .title = "NAME", .importance = 80, .width_min = 6 },
	{ .title = "OWNER", .importance = 10 },
	{ .title = "EMPTY", .importance = 50 },
};

static char *format(int width)
{
	struct table t CLEAN(table_release);
	struct buf out = BUF_INIT;
	table_init(&t, columns, ARRAY_LEN(columns));
	const char *const cells[] = { "7",	"running", "a name that is rather long",
				      "ann",	"",	   "123",
				      "failed", "ünïcödé", "bob",
				      NULL };
	for (size_t i = 0; i < ARRAY_LEN(cells); i++)
		table_add(&t, cells[i]);
	table_format(&t, width, true, &out);
	return buf_take(&out);
}

static void test_wide(void **state)
{
	CLEAN_FREE char *text = format(200);
	assert_string_equal(text, " ID  STATE    NAME                        OWNER\n"
				  "  7  running  a name that is rather long  ann\n"
				  "123  failed   ünïcödé                     bob\n");
}

static void test_narrow_cuts_then_drops(void **state)
{
	CLEAN_FREE char *cut = format(30);
	assert_string_equal(cut, " ID  STATE    NAME       OWNER\n"
				 "  7  running  a name t…  ann\n"
				 "123  failed   ünïcödé    bob\n");
}

static void test_no_line_is_wider(void **state)
{
	for (int width = 1; width < 60; width++) {
		CLEAN_FREE char *text = format(width);
		size_t lines = 0;
		for (const char *at = text; *at; lines++) {
			size_t len = strcspn(at, "\n");
			/* The last column that is left is never left out, and a number is never cut. */
			if (width >= 3)
				assert_true(term_columns(at, len) <= (size_t)width);
			at += len + 1;
		}
		assert_int_equal(lines, 3);
	}
}

static void test_cells_are_harmless(void **state)
{
	CLEAN_BUF struct buf out = BUF_INIT;
	const char bad[] = "a\033[31mb\nc\x80\xffZ\xc2\x9b\xe2\x80\xae";
	term_add_safe(&out, bad, sizeof bad - 1);
	assert_string_equal(out.data, "a?[31mb c??Z??");
}

static void test_numbers_for_people(void **state)
{
	char text[SHOW_BYTES];
	assert_string_equal(show_duration(0, text), "0.00s");
	assert_string_equal(show_duration(12340, text), "12.3s");
	assert_string_equal(show_duration(192000, text), "3m12s");
	assert_string_equal(show_duration(7500000, text), "2h05m");
	assert_string_equal(show_duration(INT64_C(100) * 3600 * 1000, text), "4d04h");
	assert_string_equal(show_size(0, text), "0");
	assert_string_equal(show_size(1023, text), "1023");
	assert_string_equal(show_size(1536, text), "1.5K");
	assert_string_equal(show_size(INT64_C(200) << 20, text), "200M");
	assert_string_equal(show_size((INT64_C(1) << 30) - 1, text), "1.0G");
	assert_string_equal(show_time(0, text), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wide),
		cmocka_unit_test(test_narrow_cuts_then_drops),
		cmocka_unit_test(test_no_line_is_wider),
		cmocka_unit_test(test_cells_are_harmless),
		cmocka_unit_test(test_numbers_for_people),
	};
	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
