#include "cli/submission.h"

#include <stdlib.h>
#include <time.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/follow.h"
#include "cli/help.h"
#include "test.h"

static int64_t at(const char *text)
{
	int64_t ms;
	assert_int_equal(clock_parse(text, &ms), 0);
	return ms;
}

static void test_times(void **state)
{
	int64_t now = at("2026-01-31T12:00:00Z"), ms;
	struct err e = ERR_INIT;
	assert_int_equal(submission_parse_time("10m", now, &ms, &e), 0);
	assert_int_equal(ms, now + 600000);
	assert_int_equal(submission_parse_time("+1500ms", now, &ms, &e), 0);
	assert_int_equal(ms, now + 1500);
	assert_int_equal(submission_parse_time("2026-02-01T00:00:00Z", now, &ms, &e), 0);
	assert_int_equal(ms, at("2026-02-01T00:00:00Z"));
	assert_int_equal(submission_parse_time("14:30", now, &ms, &e), 0);
	assert_int_equal(ms, at("2026-01-31T14:30:00Z"));
	assert_int_equal(submission_parse_time("12:00", now, &ms, &e), 0);
	assert_int_equal(ms, at("2026-02-01T12:00:00Z"));
	static const char *const bad[] = { "", "soon", "25:00", "12:60", "1:00", "-5", "2026-02-30" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(submission_parse_time(bad[i], now, &ms, &e), -1);
		assert_int_equal(e.code, ERR_USAGE);
	}
}

/* The body that options make, without inputs and relative times, which need a server. */
static json_t *body_of(int argc, const char **argv, struct err *e)
{
	struct args a;
	struct submission s CLEAN(submission_release);
	submission_begin(&s, NULL);
	json_t *json = NULL;
	if (args_parse(&a, command_find("submit"), argc, (char **)(uintptr_t)argv, e) == 0) {
		submission_add_argv(&s, &a);
		if (submission_add_options(&s, &a, e) == 0) {
			jw_end_object(&s.json);
			json = json_parse("body", s.body.data, s.body.len, e);
		}
	}
	args_release(&a);
	return json;
}
#define BODY(e, ...)                                        \
	__extension__({                                     \
		const char *words_[] = { __VA_ARGS__ };     \
		body_of((int)ARRAY_LEN(words_), words_, e); \
	})

static void check(json_t *body, const char *expected)
{
	struct err e = ERR_INIT;
	CLEAN_JSON json_t *want = json_parse("expected", expected, strlen(expected), &e);
	assert_string_equal(e.text, "");
	if (!json_equal(body, want)) {
		char *text = json_dumps(body, JSON_SORT_KEYS);
		assert_string_equal(text, expected);
	}
	json_decref(body);
}

static void test_bodies(void **state)
{
	struct err e = ERR_INIT;
	setenv("SLIPWAY_TEST_COPIED", "here", 1);
	check(BODY(&e, "echo", "a b"), "{\"argv\":[\"echo\",\"a b\"]}");
	check(BODY(&e, "-n", "x", "-p", "-3", "--need", "3,4", "--need", "7-9", "--timeout", "1500ms",
		   "--max-attempts", "3", "--retry-delay", "10", "--tag", "a,b", "--dedupe", "k",
		   "--suspended", "true"),
	      "{\"argv\":[\"true\"],\"name\":\"x\",\"priority\":-3,\"needs\":[3,4,7,8,9],\"timeout\":1.5,"
	      "\"max_attempts\":3,\"retry_delay\":10,\"tags\":[\"a\",\"b\"],\"dedupe\":\"k\",\"suspended\":true}");
	check(BODY(&e, "--limit", "memory=1M,pids=5", "--limit=cpu=2m", "-e", "K=a=b", "-e",
		   "SLIPWAY_TEST_COPIED", "-c", "*.deb", "--target", "t", "x"),
	      "{\"argv\":[\"x\"],\"limits\":{\"memory\":1048576,\"pids\":5,\"cpu\":120},\"env\":{\"K\":\"a=b\","
	      "\"SLIPWAY_TEST_COPIED\":\"here\"},\"collect\":[\"*.deb\"],\"target\":\"t\",\"isolation\":\"chroot\"}");
	check(BODY(&e, "--after", "2026-02-01T00:00:00Z", "x"),
	      "{\"argv\":[\"x\"],\"run_at\":\"2026-02-01T00:00:00.000Z\"}");
}

static void test_bad_options(void **state)
{
	struct err e = ERR_INIT;
	assert_null(BODY(&e, "--limit", "memory", "x"));
	assert_null(BODY(&e, "--limit", "memory=lots", "x"));
	assert_int_equal(e.code, ERR_USAGE);
	assert_null(BODY(&e, "--limit", "toes=5", "x"));
	assert_null(BODY(&e, "--env", "SLIPWAY_TEST_NOT_SET", "x"));
	assert_null(BODY(&e, "--env", "=x", "x"));
	assert_null(BODY(&e, "--need", "x", "x"));
	assert_null(BODY(&e, "--after", "soon", "x"));
	assert_int_equal(e.code, ERR_USAGE);
	assert_null(BODY(&e, "--input", "/nowhere/at/all", "x"));
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void test_ids(void **state)
{
	int64_t *ids = NULL, id;
	size_t n = 0;
	struct err e = ERR_INIT;
	assert_int_equal(api_parse_ids("7", &ids, &n, &e), 0);
	assert_int_equal(api_parse_ids("#8", &ids, &n, &e), 0);
	assert_int_equal(api_parse_ids("10-12", &ids, &n, &e), 0);
	assert_int_equal(n, 5);
	assert_int_equal(ids[4], 12);
	static const char *const bad[] = {
		"", "x", "0", "-1", "3-", "5-4", "1-9999999999", "7x", "99999999999999999999999999"
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(api_parse_ids(bad[i], &ids, &n, &e), -1);
	assert_int_equal(api_parse_id("1-2", &id, &e), -1);
	free(ids);
}

static int status_of(const char *text)
{
	struct err e = ERR_INIT;
	CLEAN_JSON json_t *o = json_parse("job", text, strlen(text), &e);
	return follow_status(o);
}

static void test_exit_statuses(void **state)
{
	assert_int_equal(status_of("{\"state\":\"succeeded\",\"exit_code\":0}"), 0);
	assert_int_equal(status_of("{\"state\":\"failed\",\"reason\":\"exit\",\"exit_code\":7}"), 7);
	assert_int_equal(
		status_of("{\"state\":\"failed\",\"reason\":\"signal\",\"signal\":9,\"exit_code\":null}"),
		137);
	assert_int_equal(status_of("{\"state\":\"failed\",\"reason\":\"timeout\",\"signal\":15}"), 125);
	assert_int_equal(status_of("{\"state\":\"failed\",\"reason\":\"needs\"}"), 125);
	assert_int_equal(status_of("{\"state\":\"cancelled\",\"reason\":\"\",\"signal\":15}"), 1);
}

static void test_help_says_all(void **state)
{
	CLEAN_BUF struct buf all = BUF_INIT;
	CLEAN_BUF struct buf page = BUF_INIT;
	help_all(&all);
	help_man_page(&page);
	for (const struct command *c = commands; c->name; c++) {
		CLEAN_BUF struct buf one = BUF_INIT;
		help_command(c, 80, &one);
		assert_non_null(strstr(one.data, c->summary + 1));
		bool is_hidden = c->flags & COMMAND_HIDDEN;
		assert_true(is_hidden == !strstr(all.data, c->summary));
		assert_true(is_hidden == !strstr(page.data, c->summary + 1));
		for (const char *line = one.data; *line; line += strcspn(line, "\n") + 1)
			assert_true(strcspn(line, "\n") <= 120);
	}
}

int main(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),	      cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_bad_options),   cmocka_unit_test(test_ids),
		cmocka_unit_test(test_exit_statuses), cmocka_unit_test(test_help_says_all),
	};
	return cmocka_run_group_tests_name("submission", tests, NULL, NULL);
}
