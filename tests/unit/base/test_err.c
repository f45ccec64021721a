#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

static void test_set_gives_minus_one_and_text(void **state)
{
	struct err e = ERR_INIT;
	assert_int_equal(err_set(&e, ERR_CONFLICT, "job %d", 7), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(e.sys, 0);
	assert_string_equal(e.text, "job 7");
	err_clear(&e);
	assert_int_equal(e.code, ERR_NONE);
	assert_string_equal(e.text, "");
}

static void test_null_is_allowed_everywhere(void **state)
{
	assert_int_equal(err_set(NULL, ERR_INVALID, "x"), -1);
	assert_int_equal(err_sys(NULL, "x"), -1);
	assert_int_equal(err_wrap(NULL, "x"), -1);
	err_clear(NULL);
}

static void test_sys_appends_the_reason(void **state)
{
	struct err e = ERR_INIT;
	errno = ENOENT;
	err_sys(&e, "open %s", "/x");
	assert_string_equal(e.text, "open /x: No such file or directory");
	assert_int_equal(e.sys, ENOENT);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	errno = EACCES;
	err_sys(&e, "x");
	assert_int_equal(e.code, ERR_DENIED);
	errno = ENOMEM;
	err_sys(&e, "x");
	assert_int_equal(e.code, ERR_NOMEM);
	errno = EIO;
	err_sys(&e, "x");
	assert_int_equal(e.code, ERR_SYSTEM);
}

static void test_wrap_puts_in_front_and_keeps_the_code(void **state)
{
	struct err e = ERR_INIT;
	errno = EIO;
	err_sys(&e, "read");
	assert_int_equal(err_wrap(&e, "start job %d", 7), -1);
	assert_string_equal(e.text, "start job 7: read: Input/output error");
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(e.sys, EIO);
}

static void test_long_texts_are_cut_and_ended(void **state)
{
	struct err e = ERR_INIT;
	char big[2000];
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	err_set(&e, ERR_INVALID, "%s", big);
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
	err_wrap(&e, "front");
	assert_int_equal(strncmp(e.text, "front: xxx", 10), 0);
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
	err_wrap(&e, "%s", big);
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
	errno = EIO;
	err_sys(&e, "%s", big);
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
}

static void test_table_is_complete_and_names_go_round(void **state)
{
	for (int i = ERR_NONE; i <= ERR_INTERNAL; i++) {
		enum err_code code = (enum err_code)i;
		const struct err_info *info = err_info_get(code);
		assert_int_equal(info->code, code);
		assert_int_equal(err_code_parse(info->name), code);
		assert_in_range(info->exit_status, 0, 4);
		assert_true(code == ERR_NONE || info->http_status >= 400);
	}
	assert_int_equal(err_code_parse("no such name"), ERR_INTERNAL);
	assert_int_equal(err_info_get((enum err_code)4711)->code, ERR_INTERNAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_gives_minus_one_and_text),
		cmocka_unit_test(test_null_is_allowed_everywhere),
		cmocka_unit_test(test_sys_appends_the_reason),
		cmocka_unit_test(test_wrap_puts_in_front_and_keeps_the_code),
		cmocka_unit_test(test_long_texts_are_cut_and_ended),
		cmocka_unit_test(test_table_is_complete_and_names_go_round),
	};
	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
