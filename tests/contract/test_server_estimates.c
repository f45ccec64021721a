/* What people are told of starts and ends: show, why, status. Workers here say how long runs took, so nothing takes time. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "pg_fixture.h"
#include "server_fixture.h"

#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "server/server.h"

static const struct sfx_worker one = { "one", "0000000000000001" };
static const struct sfx_worker two = { "two", "0000000000000002" };

#define MAKE "{\"argv\":[\"make\"],\"name\":\"make\"}"

static int setup(void **state)
{
	struct sfx *fx = malloc(sizeof *fx);
	sfx_init(fx, 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	sfx_release(*state);
	free(*state);
	return 0;
}

/* Leases one and says that it succeeded after so long. */
static void run_next(struct sfx *fx, int64_t wall_ms)
{
	char more[300];
	int attempt;
	json_t *a = sfx_lease(fx, &one, 1, 0, NULL);
	int64_t job = sfx_spec(a, 0, &attempt);
	assert_true(job > 0);
	json_decref(a);
	snprintf(
		more, sizeof more,
		"\"results\":[{\"job\":%lld,\"attempt\":%d,\"outcome\":\"succeeded\",\"reason\":\"\",\"exit_code\":0,"
		"\"usage\":{\"wall_ms\":%lld}}]",
		(long long)job, attempt, (long long)wall_ms);
	json_decref(sfx_lease(fx, &one, 0, 0, more));
}

static void run(struct sfx *fx, const char *body, int64_t wall_ms, int times)
{
	for (int i = 0; i < times; i++) {
		sfx_submit(fx, body);
		run_next(fx, wall_ms);
	}
}

static int64_t time_of(const json_t *span, const char *key)
{
	int64_t ms;
	assert_int_equal(clock_parse(json_string_value(json_object_get(span, key)), &ms), 0);
	return ms;
}

/* Of "start" or "end": the likely one, in milliseconds from now; -1: there is none. */
static int64_t likely(struct sfx *fx, int64_t job, const char *what)
{
	json_t *j = sfx_show(fx, job);
	const json_t *span = json_object_get(json_object_get(j, "estimate"), what);
	int64_t ms = -1;
	if (json_is_object(span)) {
		ms = time_of(span, "likely");
		assert_true(time_of(span, "low") <= ms && ms <= time_of(span, "high"));
		ms -= clock_wall_ms();
		ms = ms < 0 ? 0 : ms;
	}
	json_decref(j);
	return ms;
}

/* Give or take a tenth, and what the test took. */
static void check_about(int64_t ms, int64_t ought)
{
	if (ms < ought * 9 / 10 - 5000 || ms > ought * 11 / 10 + 5000)
		fail_msg("%lld is not about %lld", (long long)ms, (long long)ought);
}

static char *why(struct sfx *fx, int64_t job)
{
	char path[64];
	snprintf(path, sizeof path, "/v1/jobs/%lld/why", (long long)job);
	json_t *w = sfx_call(fx, NULL, "GET", path, NULL, 200);
	char *text = json_dumps(w, JSON_ENSURE_ASCII);
	json_decref(w);
	return text;
}

static void expect_why(struct sfx *fx, int64_t job, const char *words)
{
	CLEAN_FREE char *text = why(fx, job);
	if (!strstr(text, words))
		fail_msg("%s: not in %s", words, text);
}

static json_t *forecast(struct sfx *fx, const char *what)
{
	json_t *s = sfx_call(fx, NULL, "GET", "/v1/status", NULL, 200);
	json_t *f = json_incref(json_object_get(json_object_get(s, "estimates"), what));
	json_decref(s);
	return f;
}

static void expect_forecast(struct sfx *fx, const char *what, int compared, int within)
{
	CLEAN_JSON json_t *f = forecast(fx, what);
	assert_int_equal(json_integer_value(json_object_get(f, "compared")), compared);
	assert_int_equal(json_integer_value(json_object_get(f, "within_percent")), within);
}

static void test_nothing_is_known(void **state)
{
	struct sfx *fx = *state;
	sfx_register(fx, &one, 1);
	int64_t id = sfx_submit(fx, MAKE);
	json_t *j = sfx_show(fx, id);
	assert_true(json_is_null(json_object_get(j, "estimate")));
	json_decref(j);
	expect_why(fx, id, "no job of its sort has succeeded yet");
	CLEAN_JSON json_t *runs = forecast(fx, "runs"), *starts = forecast(fx, "starts");
	assert_true(json_is_null(runs) && json_is_null(starts));
}

static void test_a_line_of_jobs(void **state)
{
	struct sfx *fx = *state;
	int64_t ids[4];
	sfx_register(fx, &one, 1);
	run(fx, MAKE, 600000, 20);
	for (int i = 0; i < 4; i++)
		ids[i] = sfx_submit(fx, MAKE);
	assert_int_equal(likely(fx, ids[0], "start"), 0);
	expect_why(fx, ids[0], "it is next: it starts at once");
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	assert_int_equal(likely(fx, ids[0], "start"), -1);
	check_about(likely(fx, ids[0], "end"), 600000);
	check_about(likely(fx, ids[1], "start"), 600000);
	check_about(likely(fx, ids[1], "end"), 1200000);
	check_about(likely(fx, ids[3], "start"), 1800000);
	expect_why(fx, ids[0], "it ends in about 10 min");
	expect_why(fx, ids[1], "it is next: it starts in about 10 min");
	expect_why(fx, ids[3], "2 jobs are ahead of it, and it starts in about 30 min");
	expect_why(fx, ids[3], "by 20 runs of make");
	/* Twice as many slots. */
	sfx_register(fx, &two, 1);
	assert_int_equal(likely(fx, ids[1], "start"), 0);
	check_about(likely(fx, ids[3], "start"), 600000);
	/* In the list there is nothing of it: each row would cost queries. */
	json_t *list = sfx_call(fx, NULL, "GET", "/v1/jobs", NULL, 200);
	assert_null(json_object_get(json_array_get(json_object_get(list, "jobs"), 0), "estimate"));
	json_decref(list);
}

/* What has the same workers goes first if it comes first, of whatever sort. */
static void test_other_lanes_are_in_the_way(void **state)
{
	struct sfx *fx = *state;
	static const char tagged[] =
		"{\"name\":\"one\",\"session\":\"0000000000000001\",\"machine\":\"m\",\"boot_id\":\"b\","
		"\"version\":\"0\",\"slots\":1,\"isolations\":[\"none\"],\"tags\":[\"big\"]}";
	json_decref(sfx_call(fx, NULL, "POST", "/feed/register", tagged, 200));
	run(fx, MAKE, 600000, 20);
	run(fx, "{\"argv\":[\"x\"],\"name\":\"x\",\"tags\":[\"big\"]}", 3600000, 20);
	sfx_submit(fx, "{\"argv\":[\"x\"],\"name\":\"x\",\"tags\":[\"big\"],\"priority\":5}");
	int64_t id = sfx_submit(fx, MAKE);
	expect_why(fx, id, "1 job is ahead of it");
	check_about(likely(fx, id, "start"), 3600000);
}

static void test_turns_of_other_owners(void **state)
{
	struct sfx *fx = *state;
	sfx_register(fx, &one, 1);
	run(fx, MAKE, 600000, 20);
	for (int i = 0; i < 5; i++)
		sfx_submit(fx, "{\"argv\":[\"make\"],\"name\":\"make\",\"owner\":\"bob\"}");
	int64_t id = sfx_submit(fx, MAKE);
	json_t *j = sfx_show(fx, id);
	const json_t *span = json_object_get(json_object_get(j, "estimate"), "start");
	/* His turn may come first or not; never all five. */
	assert_true(time_of(span, "low") <= clock_wall_ms());
	check_about(time_of(span, "high") - clock_wall_ms(), 600000);
	json_decref(j);
}

static void test_what_is_held_back_has_no_start(void **state)
{
	struct sfx *fx = *state;
	static const char keyed[] =
		"{\"argv\":[\"make\"],\"name\":\"make\",\"limit_key\":{\"name\":\"k\",\"n\":1}}";
	sfx_register(fx, &one, 2);
	run(fx, MAKE, 600000, 3);
	sfx_submit(fx, keyed);
	int64_t held = sfx_submit(fx, keyed);
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	assert_int_equal(likely(fx, held, "start"), -1);
	int64_t asleep = sfx_submit(fx, "{\"argv\":[\"make\"],\"name\":\"make\",\"suspended\":true}");
	assert_int_equal(likely(fx, asleep, "start"), -1);
	int64_t nobodys = sfx_submit(fx, "{\"argv\":[\"make\"],\"name\":\"make\",\"tags\":[\"gpu\"]}");
	assert_int_equal(likely(fx, nobodys, "start"), -1);
}

/* A thing that was never run is like the others of its sort; and a run that takes too long says so. */
static void test_by_its_sort(void **state)
{
	struct sfx *fx = *state;
	sfx_register(fx, &one, 1);
	run(fx, MAKE, 600000, 5);
	int64_t id = sfx_submit(fx, "{\"argv\":[\"new\"],\"name\":\"new\"}");
	expect_why(fx, id, "by 5 runs of its sort");
	check_about(likely(fx, id, "end"), 600000);
	run_next(fx, 1);
	run(fx, "{\"argv\":[\"true\"],\"name\":\"true\"}", 1, 10);
	id = sfx_submit(fx, "{\"argv\":[\"true\"],\"name\":\"true\"}");
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	/* It has: each run took a millisecond, and asking takes longer. */
	for (;;) {
		CLEAN_FREE char *text = why(fx, id);
		if (strstr(text, "it takes longer than its like"))
			break;
	}
	assert_true(likely(fx, id, "end") >= 0);
}

static void test_how_good_they_were(void **state)
{
	struct sfx *fx = *state;
	sfx_register(fx, &one, 1);
	run(fx, MAKE, 600000, 4);
	expect_forecast(fx, "runs", 3, 100);
	/* Told to start at once, and does. */
	int64_t right = sfx_submit(fx, MAKE);
	assert_int_equal(likely(fx, right, "start"), 0);
	run_next(fx, 6000000);
	expect_forecast(fx, "runs", 4, 75);
	expect_forecast(fx, "starts", 1, 100);
	/* Told to start in an hour, when those ahead have run; they are cancelled. */
	int64_t ahead = sfx_submit(fx, MAKE), wrong = sfx_submit(fx, MAKE);
	char body[100];
	assert_true(likely(fx, wrong, "start") > 100000);
	snprintf(body, sizeof body, "{\"ids\":[%lld]}", (long long)ahead);
	json_decref(sfx_call(fx, NULL, "POST", "/v1/jobs/cancel", body, 200));
	run_next(fx, 600000);
	expect_forecast(fx, "starts", 2, 50);
	sfx_stop(fx);
	sfx_start(fx);
	expect_forecast(fx, "starts", 2, 50);
	sfx_register(fx, &one, 1);
	int64_t id = sfx_submit(fx, MAKE);
	assert_int_equal(likely(fx, id, "start"), 0);
	expect_why(fx, id, "by 6 runs of make");
}

int main(void)
{
	if (pg_skip_all())
		return 0;
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_known),
		TEST(test_a_line_of_jobs),
		TEST(test_other_lanes_are_in_the_way),
		TEST(test_turns_of_other_owners),
		TEST(test_what_is_held_back_has_no_start),
		TEST(test_by_its_sort),
		TEST(test_how_good_they_were),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
