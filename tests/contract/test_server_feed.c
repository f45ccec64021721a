/* The feed, spoken by a worker that is made of these lines. */
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "pg_fixture.h"
#include "server_fixture.h"

static const struct sfx_worker one = { "one", "0000000000000001" };
static const struct sfx_worker one_again = { "one", "0000000000000002" };
static const struct sfx_worker two = { "two", "0000000000000003" };

#define TRUE_BODY "{\"argv\":[\"true\"]}"

static size_t len_of(const json_t *answer, const char *key)
{
	return json_array_size(json_object_get(answer, key));
}

static int setup(void **state)
{
	struct sfx *fx = malloc(sizeof *fx);
	sfx_init(fx, 0);
	sfx_register(fx, &one, 2);
	*state = fx;
	return 0;
}

static int setup_short(void **state)
{
	struct sfx *fx = malloc(sizeof *fx);
	sfx_init(fx, 600);
	sfx_register(fx, &one, 2);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	sfx_release(*state);
	free(*state);
	return 0;
}

static void test_lease_and_finish(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY), b = sfx_submit(fx, TRUE_BODY);
	int attempt;
	json_t *l = sfx_lease(fx, &one, 1, 0, NULL);
	assert_int_equal(len_of(l, "specs"), 1);
	assert_int_equal(sfx_spec(l, 0, &attempt), a);
	assert_int_equal(attempt, 1);
	json_decref(l);
	assert_string_equal(sfx_state(fx, a), "running");

	/* Result in, next job out, in one call. */
	l = sfx_lease(fx, &one, 1, 0, sfx_result(a, 1, "succeeded", ""));
	assert_true(json_is_true(json_object_get(json_array_get(json_object_get(l, "results"), 0), "ok")));
	assert_int_equal(sfx_spec(l, 0, NULL), b);
	json_decref(l);
	assert_string_equal(sfx_state(fx, a), "succeeded");

	/* The answer was lost: the worker says it again. */
	l = sfx_lease(fx, &one, 0, 0, sfx_result(a, 1, "succeeded", ""));
	assert_true(json_is_true(json_object_get(json_array_get(json_object_get(l, "results"), 0), "ok")));
	json_decref(l);
	l = sfx_lease(fx, &one, 0, 0, sfx_result(b, 1, "failed", "exit"));
	json_decref(l);
	json_t *j = sfx_show(fx, b);
	assert_string_equal(json_string_value(json_object_get(j, "state")), "failed");
	assert_string_equal(json_string_value(json_object_get(j, "reason")), "exit");
	json_decref(j);
}

static void test_stale_attempt_changes_nothing(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, "{\"argv\":[\"true\"],\"max_attempts\":3}");
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	json_decref(sfx_lease(fx, &one, 1, 0, sfx_result(a, 1, "failed", "exit"))); /* and takes attempt 2 */
	json_t *l = sfx_lease(fx, &one, 0, 0, sfx_result(a, 1, "succeeded", ""));
	const json_t *r = json_array_get(json_object_get(l, "results"), 0);
	assert_true(json_is_false(json_object_get(r, "ok")));
	assert_string_equal(json_string_value(json_object_get(r, "error")), "stale");
	json_decref(l);
	assert_string_equal(sfx_state(fx, a), "running");
	/* Nor may it write its log. */
	char path[100];
	snprintf(path, sizeof path, "/feed/log?job=%lld&attempt=1&offset=0", (long long)a);
	json_decref(sfx_call(fx, &one, "POST", path, "x", 409));
	snprintf(path, sizeof path, "/feed/log?job=%lld&attempt=2&offset=0", (long long)a);
	json_decref(sfx_call(fx, &one, "POST", path, "x", 200));
	json_decref(sfx_call(fx, &one_again, "POST", path, "x", 409));
}

static void test_new_session_takes_over(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY);
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	int parked = sfx_lease_send(fx, &one, 1, 30000, NULL);
	sfx_register(fx, &one_again, 2);
	/* The old session's call was answered, and it is told at the next. */
	int status;
	free(sfx_receive(parked, &status, NULL));
	assert_true(status == 200 || status == 409);
	json_t *e = sfx_call(fx, &one, "POST", "/feed/lease", "{\"free\":1}", 409);
	assert_string_equal(json_string_value(json_object_get(json_object_get(e, "error"), "code")), "stale");
	json_decref(e);
	json_decref(sfx_call(fx, &one, "POST", "/feed/beat", "{}", 409));
	/* What it held was lost, and is there to be taken. */
	int attempt;
	json_t *l = sfx_lease(fx, &one_again, 1, 0, NULL);
	assert_int_equal(sfx_spec(l, 0, &attempt), a);
	assert_int_equal(attempt, 2);
	json_decref(l);
	json_t *j = sfx_show(fx, a);
	assert_int_equal(json_integer_value(json_object_get(j, "losses")), 1);
	json_decref(j);
}

static void test_submit_wakes_a_parked_lease(void **state)
{
	struct sfx *fx = *state;
	int parked = sfx_lease_send(fx, &one, 1, 60000, NULL);
	int64_t a = sfx_submit(fx, TRUE_BODY);
	json_t *l = sfx_answer(parked, 200);
	assert_int_equal(sfx_spec(l, 0, NULL), a);
	json_decref(l);
	/* Again, with the lane known. */
	parked = sfx_lease_send(fx, &one, 1, 60000, NULL);
	int64_t b = sfx_submit(fx, TRUE_BODY);
	l = sfx_answer(parked, 200);
	assert_int_equal(sfx_spec(l, 0, NULL), b);
	json_decref(l);
	/* And through a need that is met. */
	char body[64];
	snprintf(body, sizeof body, "{\"argv\":[\"true\"],\"needs\":[%lld]}", (long long)b);
	int64_t c = sfx_submit(fx, body);
	sfx_register(fx, &two, 1);
	parked = sfx_lease_send(fx, &two, 1, 60000, NULL);
	json_decref(sfx_lease(fx, &one, 0, 0, sfx_result(b, 1, "succeeded", "")));
	l = sfx_answer(parked, 200);
	assert_int_equal(sfx_spec(l, 0, NULL), c);
	json_decref(l);
}

static void test_parked_lease_ends_in_time(void **state)
{
	struct sfx *fx = *state;
	json_t *l = sfx_lease(fx, &one, 1, 50, NULL);
	assert_int_equal(len_of(l, "specs"), 0);
	json_decref(l);
}

static void test_cancel_wakes_a_parked_lease(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY);
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	int parked = sfx_lease_send(fx, &one, 0, 60000, NULL);
	char body[64];
	snprintf(body, sizeof body, "{\"ids\":[%lld]}", (long long)a);
	json_decref(sfx_call(fx, NULL, "POST", "/v1/jobs/cancel", body, 200));
	json_t *l = sfx_answer(parked, 200);
	const json_t *c = json_array_get(json_object_get(l, "cancels"), 0);
	assert_int_equal(json_integer_value(json_object_get(c, "job")), a);
	assert_int_equal(json_integer_value(json_object_get(c, "attempt")), 1);
	json_decref(l);
	/* Told once by lease, each time by beat. */
	l = sfx_lease(fx, &one, 0, 0, NULL);
	assert_int_equal(len_of(l, "cancels"), 0);
	json_decref(l);
	snprintf(body, sizeof body, "{\"running\":[[%lld,1]]}", (long long)a);
	l = sfx_call(fx, &one, "POST", "/feed/beat", body, 200);
	assert_int_equal(len_of(l, "cancels"), 1);
	json_decref(l);
	json_decref(sfx_lease(fx, &one, 0, 0, sfx_result(a, 1, "cancelled", "")));
	assert_string_equal(sfx_state(fx, a), "cancelled");
}

static void test_newer_lease_ends_a_parked_one(void **state)
{
	struct sfx *fx = *state;
	int first = sfx_lease_send(fx, &one, 1, 60000, NULL);
	int second = sfx_lease_send(fx, &one, 2, 60000, NULL);
	/* Which of them the server saw first is not known; one is answered with nothing. */
	struct sfx_stream peek = { .fd = first };
	(void)peek;
	sfx_submit(fx, TRUE_BODY);
	json_t *l1 = sfx_answer(first, 200), *l2 = sfx_answer(second, 200);
	assert_int_equal(len_of(l1, "specs") + len_of(l2, "specs"), 1);
	json_decref(l1);
	json_decref(l2);
}

static void test_work_goes_past_a_client_that_left(void **state)
{
	struct sfx *fx = *state;
	close(sfx_lease_send(fx, &one, 1, 60000, NULL));
	sfx_register(fx, &two, 1);
	int64_t a = sfx_submit(fx, TRUE_BODY);
	/* If the server gave it to the one that left before it saw that, it takes it back. */
	json_t *l = sfx_lease(fx, &two, 1, 10000, NULL);
	assert_int_equal(sfx_spec(l, 0, NULL), a);
	json_decref(l);
}

static void test_holding_gives_back_what_never_arrived(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY), b = sfx_submit(fx, TRUE_BODY);
	json_decref(sfx_lease(fx, &one, 2, 0, NULL));
	char more[64];
	snprintf(more, sizeof more, "\"holding\":[[%lld,1]]", (long long)a);
	int attempt;
	json_t *l = sfx_lease(fx, &one, 1, 0, more);
	assert_int_equal(sfx_spec(l, 0, &attempt), b);
	assert_int_equal(attempt, 2);
	json_decref(l);
	json_t *j = sfx_show(fx, b);
	assert_int_equal(json_integer_value(json_object_get(j, "losses")), 0);
	json_decref(j);
	assert_string_equal(sfx_state(fx, a), "running");
}

static void test_leave_releases(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY);
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	json_t *l = sfx_call(fx, &one, "POST", "/feed/leave", "{}", 200);
	assert_int_equal(json_integer_value(json_object_get(l, "released")), 1);
	json_decref(l);
	assert_string_equal(sfx_state(fx, a), "waiting");
}

static void test_lease_runs_out(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY);
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	sfx_register(fx, &two, 1);
	int attempt;
	json_t *l = sfx_lease(fx, &two, 1, 20000, NULL);
	assert_int_equal(sfx_spec(l, 0, &attempt), a);
	assert_int_equal(attempt, 2);
	json_decref(l);
	/* The first comes back, too late. */
	l = sfx_lease(fx, &one, 0, 0, sfx_result(a, 1, "succeeded", ""));
	assert_true(json_is_false(json_object_get(json_array_get(json_object_get(l, "results"), 0), "ok")));
	json_decref(l);
	char body[64];
	snprintf(body, sizeof body, "{\"running\":[[%lld,1]]}", (long long)a);
	l = sfx_call(fx, &one, "POST", "/feed/beat", body, 200);
	assert_int_equal(len_of(l, "stale"), 1);
	json_decref(l);
}

/* The answer that gave it may be on its way still; a worker that has given the call up says what it holds. */
static void test_beat_leaves_what_is_on_its_way(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY);
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	/* More than a beat later (a parked call is a clock). */
	json_decref(sfx_lease(fx, &one, 0, 250, NULL));
	json_decref(sfx_call(fx, &one, "POST", "/feed/beat", "{}", 200));
	assert_string_equal(sfx_state(fx, a), "running");
	json_decref(sfx_lease(fx, &one, 0, 0, "\"holding\":[]"));
	assert_string_equal(sfx_state(fx, a), "waiting");
}

static void test_beat_tells_that_files_are_stored(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY);
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	char body[64];
	snprintf(body, sizeof body, "{\"collecting\":[[%lld,1]]}", (long long)a);
	json_decref(sfx_call(fx, &one, "POST", "/feed/beat", body, 200));
	assert_string_equal(sfx_state(fx, a), "collecting");
}

static void test_server_restart_keeps_leases(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY), b = sfx_submit(fx, TRUE_BODY);
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	int parked = sfx_lease_send(fx, &one, 0, 60000, NULL);
	sfx_stop(fx);
	close(parked);
	sfx_start(fx);
	/* The session lives on: log, cancel and result of what it held. */
	char path[100], body[64];
	snprintf(path, sizeof path, "/feed/log?job=%lld&attempt=1&offset=0", (long long)a);
	json_decref(sfx_call(fx, &one, "POST", path, "x", 200));
	snprintf(body, sizeof body, "{\"ids\":[%lld]}", (long long)a);
	parked = sfx_lease_send(fx, &one, 0, 60000, NULL);
	json_decref(sfx_call(fx, NULL, "POST", "/v1/jobs/cancel", body, 200));
	json_t *l = sfx_answer(parked, 200);
	assert_int_equal(len_of(l, "cancels"), 1);
	json_decref(l);
	l = sfx_lease(fx, &one, 1, 0, sfx_result(a, 1, "succeeded", ""));
	assert_int_equal(sfx_spec(l, 0, NULL), b);
	json_decref(l);
	assert_string_equal(sfx_state(fx, a), "succeeded");
}

static void test_artifacts_must_have_arrived(void **state)
{
	struct sfx *fx = *state;
	static const char sha[] =
		"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"; /* hello */
	int64_t a = sfx_submit(fx, TRUE_BODY), b = sfx_submit(fx, TRUE_BODY);
	char more[400], path[200];
	json_decref(sfx_lease(fx, &one, 2, 0, NULL));
	static const char form[] =
		"\"results\":[{\"job\":%lld,\"attempt\":1,\"outcome\":\"succeeded\",\"artifacts\":[{\"name\":"
		"\"dir/h w\",\"sha256\":\"%s\",\"size\":5}]}]";
	snprintf(more, sizeof more, form, (long long)a, sha);
	json_decref(sfx_lease(fx, &one, 0, 0, more));
	json_t *j = sfx_show(fx, a);
	assert_string_equal(json_string_value(json_object_get(j, "reason")), "collect");
	json_decref(j);

	snprintf(path, sizeof path, "/feed/artifact?job=%lld&attempt=1&sha256=%s", (long long)b, sha);
	json_decref(sfx_call(fx, &one, "PUT", path, "hellO", 400));
	json_decref(sfx_call(fx, &one, "PUT", path, "hello", 201));
	json_decref(sfx_call(fx, &one, "PUT", path, "hello", 200));
	snprintf(more, sizeof more, form, (long long)b, sha);
	json_decref(sfx_lease(fx, &one, 0, 0, more));
	assert_string_equal(sfx_state(fx, b), "succeeded");
	snprintf(path, sizeof path, "/v1/jobs/%lld/artifacts/dir%%2Fh%%20w", (long long)b);
	int status;
	char *bytes = sfx_receive(sfx_send(fx, NULL, "GET", path, NULL, 0), &status, NULL);
	assert_int_equal(status, 200);
	assert_string_equal(bytes, "hello");
	free(bytes);
	snprintf(path, sizeof path, "/v1/jobs/%lld/artifacts/none", (long long)b);
	json_decref(sfx_call(fx, NULL, "GET", path, NULL, 404));
}

/* A line that breaks off in the middle of a file: what came stays, and only the rest is brought. */
static void test_artifacts_are_resumed(void **state)
{
	struct sfx *fx = *state;
	static const char sha[] = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
	static const char head[] = "PUT /feed/artifact?job=%lld&attempt=1&sha256=%s HTTP/1.1\r\nHost: x\r\n"
				   "Slipway-Worker: %s\r\nSlipway-Session: %s\r\nContent-Length: 5\r\n\r\nhe";
	int64_t a = sfx_submit(fx, TRUE_BODY);
	char text[600], path[200];
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	snprintf(path, sizeof path, "/feed/artifact?job=%lld&attempt=1&sha256=%s", (long long)a, sha);
	json_t *j = sfx_call(fx, &one, "GET", path, NULL, 200);
	assert_int_equal(json_integer_value(json_object_get(j, "size")), 0);
	json_decref(j);
	int fd = sfx_connect(fx);
	snprintf(text, sizeof text, head, (long long)a, sha, one.name, one.session);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	int64_t size = 0;
	for (int64_t until = clock_boot_ms() + 10000; size != 2 && clock_boot_ms() < until;) {
		j = sfx_call(fx, &one, "GET", path, NULL, 200);
		size = json_integer_value(json_object_get(j, "size"));
		json_decref(j);
	}
	assert_int_equal(size, 2);
	close(fd);
	snprintf(text, sizeof text, "%s&offset=3", path);
	json_decref(sfx_call(fx, &one, "PUT", text, "lo", 409));
	snprintf(text, sizeof text, "%s&offset=2", path);
	json_decref(sfx_call(fx, &one, "PUT", text, "llo", 201));
	j = sfx_call(fx, &one, "GET", path, NULL, 200);
	assert_true(json_is_true(json_object_get(j, "whole")));
	json_decref(j);
	/* Another session goes on with nothing of it. */
	const struct sfx_worker other = { "two", "0123456789abcdef9" };
	sfx_register(fx, &other, 1);
	json_decref(sfx_call(fx, &other, "GET", path, NULL, 409));
}

/* The rest of a blob, from any byte on. */
static void test_blobs_in_parts(void **state)
{
	struct sfx *fx = *state;
	static const char sha[] = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
	static const struct {
		const char *range;
		int status;
		const char *body;
	} cases[] = {
		{ "bytes=0-", 206, "hello" }, { "bytes=2-", 206, "llo" },   { "bytes=4-", 206, "o" },
		{ "bytes=5-", 416, "" },      { "bytes=9-", 416, "" },	    { "bytes=1-2", 200, "hello" },
		{ "bytes=-2", 200, "hello" }, { "lines=2-", 200, "hello" },
	};
	char path[100], text[400];
	snprintf(path, sizeof path, "/v1/blobs/%s", sha);
	json_decref(sfx_call(fx, NULL, "PUT", path, "hello", 201));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int fd = sfx_connect(fx), status;
		snprintf(text, sizeof text,
			 "GET %s HTTP/1.1\r\nHost: x\r\nRange: %s\r\nConnection: close\r\n\r\n", path,
			 cases[i].range);
		assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
		char *body = sfx_receive(fd, &status, NULL);
		assert_int_equal(status, cases[i].status);
		assert_string_equal(body, cases[i].body);
		free(body);
	}
}

static void test_thousand_parked_workers(void **state)
{
	struct sfx *fx = *state;
	enum { WORKERS = 300 };
	int fds[WORKERS];
	for (int i = 0; i < WORKERS; i++) {
		char name[16], session[32];
		snprintf(name, sizeof name, "w%d", i);
		snprintf(session, sizeof session, "%016d", i);
		const struct sfx_worker w = { name, session };
		sfx_register(fx, &w, 1);
		fds[i] = sfx_lease_send(fx, &w, 1, 60000, NULL);
	}
	/* One job wakes one of them. */
	sfx_submit(fx, TRUE_BODY);
	json_t *l = sfx_call(fx, NULL, "GET", "/v1/wait?ids=1&timeout=0", NULL, 200);
	json_decref(l);
	sfx_stop(fx);
	int answered = 0;
	for (int i = 0; i < WORKERS; i++) {
		char head[16] = "";
		if (read(fds[i], head, sizeof head - 1) > 0)
			answered++;
		close(fds[i]);
	}
	assert_in_range(answered, 0, 1);
	sfx_start(fx);
}

int main(void)
{
	if (pg_skip_all())
		return 0;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lease_and_finish, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_attempt_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_new_session_takes_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_submit_wakes_a_parked_lease, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parked_lease_ends_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_wakes_a_parked_lease, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newer_lease_ends_a_parked_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_work_goes_past_a_client_that_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_holding_gives_back_what_never_arrived, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leave_releases, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lease_runs_out, setup_short, teardown),
		cmocka_unit_test_setup_teardown(test_beat_leaves_what_is_on_its_way, setup_short, teardown),
		cmocka_unit_test_setup_teardown(test_beat_tells_that_files_are_stored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_restart_keeps_leases, setup, teardown),
		cmocka_unit_test_setup_teardown(test_artifacts_must_have_arrived, setup, teardown),
		cmocka_unit_test_setup_teardown(test_artifacts_are_resumed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blobs_in_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thousand_parked_workers, setup, teardown),
	};
	return cmocka_run_group_tests_name("server_feed", tests, NULL, NULL);
}
