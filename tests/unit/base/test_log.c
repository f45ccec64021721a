#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

/* Runs `say` with stderr going into a pipe and gives what came out (at most 4095 bytes, fewer than a pipe holds). */
static const char *heard(void (*say)(void))
{
	static char text[4096];
	int ends[2], saved = dup(STDERR_FILENO);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	dup2(ends[1], STDERR_FILENO);
	say();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	ssize_t n = read(ends[0], text, sizeof text - 1);
	close(ends[0]);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void say_plain(void)
{
	log_line(LOG_LEVEL_INFO, "%d jobs", 3);
}

static void say_debug(void)
{
	log_line(LOG_LEVEL_DEBUG, "detail");
}

static void say_err(void)
{
	struct err e = ERR_INIT;
	err_set(&e, ERR_INVALID, "no\nsuch\x1b[2Jthing");
	log_err(&e, "start job %d", 7);
}

static void say_long(void)
{
	char big[10000];
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	log_line(LOG_LEVEL_WARN, "%s", big);
}

static int clear_env(void **state)
{
	unsetenv("SLIPWAY_DEBUG");
	unsetenv("JOURNAL_STREAM");
	log_set_name(NULL);
	return 0;
}

static void test_one_line_with_its_name(void **state)
{
	assert_string_equal(heard(say_plain), "slipway: 3 jobs\n");
	log_set_name("serve");
	assert_string_equal(heard(say_plain), "slipway serve: 3 jobs\n");
}

static void test_debug_only_when_asked(void **state)
{
	assert_string_equal(heard(say_debug), "");
	setenv("SLIPWAY_DEBUG", "1", 1);
	assert_string_equal(heard(say_debug), "slipway: detail\n");
	setenv("SLIPWAY_DEBUG", "0", 1);
	assert_string_equal(heard(say_debug), "");
}

static void test_journal_priority(void **state)
{
	setenv("JOURNAL_STREAM", "8:1", 1);
	assert_string_equal(heard(say_plain), "<6>slipway: 3 jobs\n");
}

static void test_error_with_its_chain_on_one_line(void **state)
{
	assert_string_equal(heard(say_err), "slipway: start job 7: no such [2Jthing\n");
}

static void test_long_line_is_cut_and_ended(void **state)
{
	const char *text = heard(say_long);
	size_t n = strlen(text);
	assert_in_range(n, 1000, 2048);
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_one_line_with_its_name, clear_env),
		cmocka_unit_test_setup(test_debug_only_when_asked, clear_env),
		cmocka_unit_test_setup(test_journal_priority, clear_env),
		cmocka_unit_test_setup(test_error_with_its_chain_on_one_line, clear_env),
		cmocka_unit_test_setup(test_long_line_is_cut_and_ended, clear_env),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
