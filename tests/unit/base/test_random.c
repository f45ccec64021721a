#include "test.h"

#include <stdbool.h>
#include <string.h>

#include "base/random.h"

static void test_hex_has_its_length_and_digits(void **state)
{
	for (size_t n = 0; n <= 40; n++) {
		char hex[RANDOM_HEX_BYTES(40)];
		memset(hex, '!', sizeof hex);
		assert_int_equal(random_hex(hex, n, NULL), 0);
		assert_int_equal(strlen(hex), 2 * n);
		assert_int_equal(strspn(hex, "0123456789abcdef"), 2 * n);
	}
}

static void test_hex_spreads_over_all_digits(void **state)
{
	/* 64 KiB of digits: each of the 16 comes 4096 ± a little; a slip in the spreading would show here. */
	size_t count[128] = { 0 };
	for (int i = 0; i < 1024; i++) {
		char hex[RANDOM_HEX_BYTES(RANDOM_TOKEN_BYTES)];
		assert_int_equal(random_hex(hex, RANDOM_TOKEN_BYTES, NULL), 0);
		for (const char *c = hex; *c; c++)
			count[(unsigned char)*c]++;
	}
	for (const char *c = "0123456789abcdef"; *c; c++)
		assert_in_range(count[(unsigned char)*c], 3500, 4700);
}

static void test_two_tokens_differ(void **state)
{
	char a[RANDOM_HEX_BYTES(RANDOM_TOKEN_BYTES)], b[RANDOM_HEX_BYTES(RANDOM_TOKEN_BYTES)];
	random_hex(a, RANDOM_TOKEN_BYTES, NULL);
	random_hex(b, RANDOM_TOKEN_BYTES, NULL);
	assert_string_not_equal(a, b);
}

static void test_below_stays_below(void **state)
{
	assert_int_equal(random_below(0), 0);
	assert_int_equal(random_below(1), 0);
	bool seen[7] = { false };
	for (int i = 0; i < 1000; i++) {
		uint64_t v = random_below(7);
		assert_true(v < 7);
		seen[v] = true;
	}
	for (int i = 0; i < 7; i++)
		assert_true(seen[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hex_has_its_length_and_digits),
		cmocka_unit_test(test_hex_spreads_over_all_digits),
		cmocka_unit_test(test_two_tokens_differ),
		cmocka_unit_test(test_below_stays_below),
	};
	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
