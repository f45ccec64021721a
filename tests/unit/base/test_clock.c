#include "test.h"

#include "base/clock.h"

static void check_format(int64_t ms, const char *text)
{
	char out[CLOCK_TEXT_BYTES];
	assert_string_equal(clock_format(ms, out, sizeof out), text);
	int64_t back;
	assert_int_equal(clock_parse(text, &back), 0);
	assert_true(back == ms);
}

static void test_known_times_go_both_ways(void **state)
{
	check_format(0, "1970-01-01T00:00:00.000Z");
	check_format(1, "1970-01-01T00:00:00.001Z");
	check_format(-1, "1969-12-31T23:59:59.999Z");
	check_format(951782400000, "2000-02-29T00:00:00.000Z");
	check_format(1767323045678, "2026-01-02T03:04:05.678Z");
	check_format(INT64_C(253402300799999), "9999-12-31T23:59:59.999Z");
}

static void test_times_out_of_range_stay_readable(void **state)
{
	char out[CLOCK_TEXT_BYTES];
	assert_string_equal(clock_format(INT64_MAX, out, sizeof out), "1970-01-01T00:00:00.000Z");
	assert_string_equal(clock_format(INT64_MIN, out, sizeof out), "1970-01-01T00:00:00.000Z");
}

static void test_parse_takes_fractions_and_offsets(void **state)
{
	int64_t ms;
	assert_int_equal(clock_parse("2026-01-02T03:04:05Z", &ms), 0);
	assert_true(ms == 1767323045000);
	assert_int_equal(clock_parse("2026-01-02T03:04:05.6Z", &ms), 0);
	assert_true(ms == 1767323045600);
	assert_int_equal(clock_parse("2026-01-02T03:04:05.123456789Z", &ms), 0);
	assert_true(ms == 1767323045123);
	assert_int_equal(clock_parse("2026-01-02T05:04:05+02:00", &ms), 0);
	assert_true(ms == 1767323045000);
	assert_int_equal(clock_parse("2026-01-01T22:34:05-04:30", &ms), 0);
	assert_true(ms == 1767323045000);
	assert_int_equal(clock_parse("2016-12-31T23:59:60Z", &ms), 0);
	assert_true(ms == 1483228800000);
}

static void test_parse_refuses(void **state)
{
	static const char *const bad[] = {
		"",
		"2026",
		"2026-01-02",
		"2026-01-02T03:04:05",
		"2026-01-02T03:04Z",
		"2026-13-02T03:04:05Z",
		"2026-00-02T03:04:05Z",
		"2026-02-30T03:04:05Z",
		"2026-04-31T00:00:00Z",
		"2025-02-29T00:00:00Z",
		"2026-01-02T24:04:05Z",
		"2026-01-02T03:60:05Z",
		"2026-01-02T03:04:61Z",
		"2026-01-02T03:04:05.Z",
		"2026-01-02T03:04:05+24:00",
		"2026-01-02T03:04:05+02",
		"2026-01-02T03:04:05ZZ",
		" 2026-01-02T03:04:05Z",
		"2026-01-02T03:04:05Z ",
		"+026-01-02T03:04:05Z",
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		int64_t ms = 42;
		if (clock_parse(bad[i], &ms) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_true(ms == 42);
	}
}

static void test_every_day_of_centuries_goes_round(void **state)
{
	char out[CLOCK_TEXT_BYTES];
	for (int64_t day = -30000; day < 60000; day++) {
		int64_t ms = day * 86400000 + (day * 7919 % 86400000 + 86400000) % 86400000, back;
		assert_int_equal(clock_parse(clock_format(ms, out, sizeof out), &back), 0);
		assert_true(back == ms);
	}
}

static void test_boot_clock_goes_forward(void **state)
{
	int64_t before = clock_boot_ns();
	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_boot_ns();
		assert_true(now >= before);
		before = now;
	}
	assert_true(clock_boot_ms() > 0);
	assert_true(clock_wall_ms() > INT64_C(1600000000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_times_go_both_ways),
		cmocka_unit_test(test_times_out_of_range_stay_readable),
		cmocka_unit_test(test_parse_takes_fractions_and_offsets),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_every_day_of_centuries_goes_round),
		cmocka_unit_test(test_boot_clock_goes_forward),
	};
	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
