#include "test.h"

#include <string.h>

#include "base/err.h"
#include "base/parse.h"

static void test_int_takes_its_range(void **state)
{
	int64_t v;
	assert_int_equal(parse_int("n", "0", 0, 10, &v, NULL), 0);
	assert_true(v == 0);
	assert_int_equal(parse_int("n", "010", 0, 10, &v, NULL), 0);
	assert_true(v == 10);
	assert_int_equal(parse_int("n", "-7", -10, 10, &v, NULL), 0);
	assert_true(v == -7);
	assert_int_equal(parse_int("n", "9223372036854775807", 0, INT64_MAX, &v, NULL), 0);
	assert_true(v == INT64_MAX);
}

static void test_int_refuses(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"1 ",
		" 1",
		"+1",
		"-1",
		"--1",
		"1x",
		"0x10",
		"1.0",
		"11",
		"9223372036854775808",
		"99999999999999999999",
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct err e = ERR_INIT;
		int64_t v = 42;
		assert_int_equal(parse_int("slots", bad[i], 0, 10, &v, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_int_equal(strncmp(e.text, "slots: ", 7), 0);
		assert_true(v == 42);
	}
	int64_t v;
	assert_int_equal(parse_int("n", "-11", -10, 10, &v, NULL), -1);
	assert_int_equal(parse_int("n", "-", -10, 10, &v, NULL), -1);
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "90", 90000 },   { "500ms", 500 },   { "90s", 90000 }, { "15m", 900000 },
		{ "2h", 7200000 }, { "1d", 86400000 }, { "0", 0 },	 { "0d", 0 },
	};
	int64_t ms;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_int_equal(parse_duration("t", good[i].text, &ms, NULL), 0);
		assert_true(ms == good[i].ms);
	}
	static const char *const bad[] = {
		"", "s", "1w", "1.5h", "-1", "1 s", "1h30m", "9223372036854775807"
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct err e = ERR_INIT;
		assert_int_equal(parse_duration("timeout", bad[i], &ms, &e), -1);
		assert_int_equal(strncmp(e.text, "timeout: ", 9), 0);
	}
}

static void test_sizes(void **state)
{
	int64_t n;
	assert_int_equal(parse_size("m", "4096", &n, NULL), 0);
	assert_true(n == 4096);
	assert_int_equal(parse_size("m", "64k", &n, NULL), 0);
	assert_true(n == 65536);
	assert_int_equal(parse_size("m", "1K", &n, NULL), 0);
	assert_true(n == 1024);
	assert_int_equal(parse_size("m", "512M", &n, NULL), 0);
	assert_true(n == INT64_C(536870912));
	assert_int_equal(parse_size("m", "2G", &n, NULL), 0);
	assert_true(n == INT64_C(2147483648));
	assert_int_equal(parse_size("m", "8388607T", &n, NULL), 0);
	static const char *const bad[] = { "", "k", "1kb", "1MiB", "-1", "1.5G", "8388608T", "1 k" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(parse_size("m", bad[i], &n, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_int_takes_its_range),
		cmocka_unit_test(test_int_refuses),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
	};
	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
