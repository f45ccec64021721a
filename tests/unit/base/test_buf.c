#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

static void test_empty_is_a_string(void **state)
{
	struct buf b = BUF_INIT;
	assert_string_equal(b.data, "");
	char *taken = buf_take(&b);
	assert_string_equal(taken, "");
	free(taken);
	buf_release(&b);
}

static void test_adds_and_drops(void **state)
{
	CLEAN_BUF struct buf b = BUF_INIT;
	buf_adds(&b, "one");
	buf_addc(&b, ' ');
	buf_addf(&b, "%d-%s", 2, "three");
	assert_string_equal(b.data, "one 2-three");
	assert_int_equal(b.len, 11);
	buf_drop(&b, 4);
	assert_string_equal(b.data, "2-three");
	buf_drop(&b, 100);
	assert_string_equal(b.data, "");
	assert_int_equal(buf_check(&b, NULL), 0);
}

static void test_failure_is_remembered(void **state)
{
	CLEAN_BUF struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	buf_adds(&b, "kept");
	assert_null(buf_reserve(&b, SIZE_MAX / 2));
	buf_adds(&b, "lost");
	assert_string_equal(b.data, "kept");
	assert_int_equal(buf_check(&b, &e), -1);
	assert_int_equal(e.code, ERR_NOMEM);
	assert_null(buf_take(&b));
	assert_int_equal(buf_check(&b, &e), 0);
	assert_null(buf_reserve(&b, SIZE_MAX / 2));
	buf_reset(&b);
	assert_int_equal(buf_check(&b, &e), 0);
	buf_adds(&b, "again");
	assert_string_equal(b.data, "again");
}

static void test_grows_with_bytes_of_any_value(void **state)
{
	CLEAN_BUF struct buf b = BUF_INIT;
	for (int i = 0; i < 10000; i++)
		buf_addc(&b, (char)(i & 255));
	assert_int_equal(b.len, 10000);
	for (int i = 0; i < 10000; i++)
		assert_int_equal((unsigned char)b.data[i], i & 255);
	assert_int_equal(b.data[b.len], 0);
	buf_reset(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_is_a_string),
		cmocka_unit_test(test_adds_and_drops),
		cmocka_unit_test(test_failure_is_remembered),
		cmocka_unit_test(test_grows_with_bytes_of_any_value),
	};
	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
