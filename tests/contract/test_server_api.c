/* The API as programs use it: bodies, errors, lists, logs that are followed, waiting, why, targets. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pg_fixture.h"
#include "server_fixture.h"

#include "base/buf.h"
#include "base/clean.h"
#include "base/fd.h"
#include "server/server.h"

static const struct sfx_worker one = { "one", "0000000000000001" };

#define TRUE_BODY "{\"argv\":[\"true\"]}"

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

static void expect_error(struct sfx *fx, const char *method, const char *path, const char *body, int status,
			 const char *code, const char *text)
{
	json_t *a = sfx_call(fx, NULL, method, path, body, status);
	const json_t *e = json_object_get(a, "error");
	assert_string_equal(json_string_value(json_object_get(e, "code")), code);
	if (!strstr(json_string_value(json_object_get(e, "message")), text))
		fail_msg("%s %s: %s", method, path, json_string_value(json_object_get(e, "message")));
	json_decref(a);
}

static void test_what_is_not_known_is_refused(void **state)
{
	struct sfx *fx = *state;
	expect_error(fx, "GET", "/v1/none", NULL, 404, "not_found", "/v1/none");
	expect_error(fx, "GET", "/v1/jobs/7", NULL, 404, "not_found", "7");
	expect_error(fx, "GET", "/v1/jobs/x", NULL, 400, "invalid", "number");
	expect_error(fx, "GET", "/v1/jobs/0", NULL, 400, "invalid", "number");
	expect_error(fx, "GET", "/v1/jobs/99999999999999999999", NULL, 400, "invalid", "number");
	expect_error(fx, "PUT", "/v1/jobs", "{}", 400, "invalid", "PUT");
	expect_error(fx, "GET", "/v1/jobs?colour=red", NULL, 400, "invalid", "colour");
	expect_error(fx, "GET", "/v1/jobs?limit=5&limit=6", NULL, 400, "invalid", "twice");
	expect_error(fx, "GET", "/v1/jobs?limit=0", NULL, 400, "invalid", "limit");
	expect_error(fx, "GET", "/v1/jobs?limit=x", NULL, 400, "invalid", "limit");
	expect_error(fx, "GET", "/v1/jobs?state=happy", NULL, 400, "invalid", "happy");
	expect_error(fx, "GET", "/v1/jobs/1/log?follow=yes", NULL, 400, "invalid", "follow");
	expect_error(fx, "POST", "/v1/jobs", "", 400, "invalid", "body");
	expect_error(fx, "POST", "/v1/jobs", "[]", 400, "invalid", "object");
	expect_error(fx, "POST", "/v1/jobs", "{\"argv\":[\"x\"],\"colour\":1}", 400, "invalid", "colour");
	expect_error(fx, "POST", "/v1/jobs", "{\"argv\":[\"x\"],\"target\":\"none\"}", 404, "not_found",
		     "none");
	expect_error(fx, "POST", "/v1/jobs/cancel", "{\"ids\":[]}", 400, "invalid", "ids");
	expect_error(fx, "POST", "/v1/jobs/cancel", "{\"ids\":[1],\"priority\":3}", 400, "invalid",
		     "priority");
	expect_error(fx, "POST", "/v1/jobs/priority", "{\"ids\":[1]}", 400, "invalid", "priority");
	expect_error(fx, "GET", "/v1/wait?ids=1,x", NULL, 400, "invalid", "ids");
	expect_error(fx, "POST", "/feed/lease", "{}", 400, "invalid", "Slipway-Worker");
	expect_error(fx, "GET", "/v1/blobs/../../etc/passwd", NULL, 404, "not_found", "nothing");
	expect_error(fx, "GET", "/v1/blobs/abc", NULL, 400, "invalid", "64");
}

static void test_long_bodies_are_refused(void **state)
{
	struct sfx *fx = *state;
	size_t len = 300 * 1024;
	char *body = calloc(1, len + 1);
	memset(body, ' ', len);
	int fd = sfx_send(fx, NULL, "POST", "/v1/jobs/cancel", body, len);
	int status;
	char *text = sfx_receive(fd, &status, NULL);
	assert_int_equal(status, 413);
	assert_non_null(strstr(text, "too_large"));
	free(text);
	free(body);
}

static void test_batch_is_all_or_none(void **state)
{
	struct sfx *fx = *state;
	static const char good[] = TRUE_BODY "\n{\"argv\":[\"true\"],\"needs\":[\"#1\"]}\n" TRUE_BODY "\n";
	json_t *a = sfx_call(fx, NULL, "POST", "/v1/jobs", good, 201);
	const json_t *ids = json_object_get(a, "ids");
	assert_int_equal(json_array_size(ids), 3);
	int64_t first = json_integer_value(json_array_get(ids, 0));
	assert_int_equal(json_integer_value(json_array_get(ids, 2)), first + 2);
	json_t *j = sfx_show(fx, first + 1);
	assert_string_equal(json_string_value(json_object_get(j, "state")), "blocked");
	assert_int_equal(json_integer_value(json_array_get(json_object_get(j, "needs"), 0)), first);
	assert_int_equal(json_array_size(json_object_get(j, "chain_jobs")), 2);
	json_decref(j);
	json_decref(a);
	expect_error(fx, "POST", "/v1/jobs", TRUE_BODY "\n{\"argv\":[]}\n" TRUE_BODY "\n", 400, "invalid",
		     "line 2");
	expect_error(fx, "POST", "/v1/jobs", TRUE_BODY "\n" TRUE_BODY "\n{nonsense\n", 400, "invalid",
		     "line 3");
	a = sfx_call(fx, NULL, "GET", "/v1/jobs", NULL, 200);
	assert_int_equal(json_array_size(json_object_get(a, "jobs")), 3);
	json_decref(a);
}

static void test_long_batch(void **state)
{
	struct sfx *fx = *state;
	CLEAN_BUF struct buf b = BUF_INIT;
	for (int i = 0; i < 20000; i++)
		buf_adds(&b, "{\"argv\":[\"true\"]}\n");
	json_t *a = sfx_answer(sfx_send(fx, NULL, "POST", "/v1/jobs", b.data, b.len), 201);
	assert_int_equal(json_array_size(json_object_get(a, "ids")), 20000);
	json_decref(a);
	a = sfx_call(fx, NULL, "GET", "/v1/jobs?limit=1000&before=10000", NULL, 200);
	assert_int_equal(json_array_size(json_object_get(a, "jobs")), 1000);
	assert_int_equal(json_integer_value(json_object_get(a, "next")), 9000);
	json_decref(a);
	a = sfx_call(fx, NULL, "GET", "/v1/status", NULL, 200);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(a, "jobs"), "waiting")), 20000);
	json_decref(a);
}

static void test_dedupe_gives_the_live_one(void **state)
{
	struct sfx *fx = *state;
	int64_t id = sfx_submit(fx, "{\"argv\":[\"true\"],\"dedupe\":\"k\"}");
	json_t *a = sfx_call(fx, NULL, "POST", "/v1/jobs", "{\"argv\":[\"true\"],\"dedupe\":\"k\"}", 200);
	assert_int_equal(json_integer_value(json_object_get(a, "id")), id);
	assert_true(json_is_false(json_object_get(a, "new")));
	json_decref(a);
}

/* --- logs --- */

static int follow(struct sfx *fx, int64_t job, const char *more)
{
	char path[100];
	snprintf(path, sizeof path, "/v1/jobs/%lld/log?follow=1%s", (long long)job, more);
	return sfx_send(fx, NULL, "GET", path, NULL, 0);
}

static void append(struct sfx *fx, int64_t job, long offset, const char *text, int expect)
{
	char path[100];
	snprintf(path, sizeof path, "/feed/log?job=%lld&attempt=1&offset=%ld", (long long)job, offset);
	json_decref(sfx_call(fx, &one, "POST", path, text, expect));
}

static void expect_bytes(struct sfx_stream *s, const char *text)
{
	sfx_stream_read(s, strlen(text));
	assert_int_equal(s->len, strlen(text));
	assert_memory_equal(s->bytes, text, s->len);
}

static void test_log_is_followed_from_before_the_start(void **state)
{
	struct sfx *fx = *state;
	enum { FOLLOWERS = 50 };
	struct sfx_stream s[FOLLOWERS] = { 0 };
	sfx_register(fx, &one, 1);
	int64_t a = sfx_submit(fx, TRUE_BODY);
	for (int i = 0; i < FOLLOWERS; i++)
		s[i].fd = follow(fx, a, "");
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	append(fx, a, 0, "one\n", 200);
	for (int i = 0; i < FOLLOWERS; i++)
		expect_bytes(&s[i], "one\n");
	append(fx, a, 9, "gap", 409);
	append(fx, a, 0, "one\n", 200); /* a repeat */
	append(fx, a, 4, "two\n", 200);
	for (int i = 0; i < FOLLOWERS; i++)
		expect_bytes(&s[i], "one\ntwo\n");
	json_decref(sfx_lease(fx, &one, 0, 0, sfx_result(a, 1, "succeeded", "")));
	for (int i = 0; i < FOLLOWERS; i++) {
		sfx_stream_read(&s[i], 100);
		assert_true(s[i].is_over);
		assert_int_equal(s[i].len, 8);
		sfx_stream_end(&s[i]);
	}
	/* From a byte on, and after the end. */
	struct sfx_stream late = { .fd = follow(fx, a, "&offset=4") };
	sfx_stream_read(&late, 100);
	assert_int_equal(late.len, 4);
	assert_memory_equal(late.bytes, "two\n", 4);
	sfx_stream_end(&late);
}

static void test_log_that_came_with_the_outcome(void **state)
{
	struct sfx *fx = *state;
	sfx_register(fx, &one, 1);
	int64_t a = sfx_submit(fx, TRUE_BODY);
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	struct sfx_stream s = { .fd = follow(fx, a, "") };
	char more[200];
	snprintf(more, sizeof more,
		 "\"results\":[{\"job\":%lld,\"attempt\":1,\"outcome\":\"succeeded\",\"log\":\"aGkK\"}]",
		 (long long)a);
	json_decref(sfx_lease(fx, &one, 0, 0, more));
	/* As a stream, or whole if it was asked for after the end. */
	int status;
	size_t len;
	char *text = sfx_receive(s.fd, &status, &len);
	assert_int_equal(status, 200);
	assert_non_null(strstr(text, "hi\n"));
	free(text);
	char path[64];
	snprintf(path, sizeof path, "/v1/jobs/%lld/log?offset=1", (long long)a);
	text = sfx_receive(sfx_send(fx, NULL, "GET", path, NULL, 0), &status, &len);
	assert_int_equal(len, 2);
	assert_string_equal(text, "i\n");
	free(text);
}

static void test_follower_of_a_job_that_never_runs(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY);
	int fd = follow(fx, a, "");
	char body[64];
	snprintf(body, sizeof body, "{\"ids\":[%lld]}", (long long)a);
	json_decref(sfx_call(fx, NULL, "POST", "/v1/jobs/cancel", body, 200));
	int status;
	size_t len;
	free(sfx_receive(fd, &status, &len));
	assert_int_equal(status, 200);
	assert_int_equal(len, 0);
	expect_error(fx, "GET", "/v1/jobs/1/log", NULL, 404, "not_found", "not started");
}

static int count_files(void)
{
	CLEAN_DIR DIR *d = opendir("/proc/self/fd");
	int n = 0;
	assert_non_null(d);
	while (readdir(d))
		n++;
	return n;
}

/* Followers of a silent log, and a parked lease: nothing is sent to them that would show that they are gone. */
static void test_clients_that_left_are_noticed(void **state)
{
	struct sfx *fx = *state;
	enum { FOLLOWERS = 20 };
	int fds[FOLLOWERS + 2];
	sfx_register(fx, &one, 1);
	int64_t a = sfx_submit(fx, TRUE_BODY),
		b = sfx_submit(fx, "{\"argv\":[\"true\"],\"tags\":[\"none\"]}");
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	append(fx, a, 0, "x", 200);
	int before = count_files();
	for (int i = 0; i < FOLLOWERS; i++)
		fds[i] = follow(fx, a, "");
	fds[FOLLOWERS] = follow(fx, b, "");
	fds[FOLLOWERS + 1] = sfx_lease_send(fx, &one, 1, 60000, NULL);
	for (int i = 0; i < FOLLOWERS; i++) {
		struct sfx_stream s = { .fd = fds[i] };
		expect_bytes(&s, "x");
		free(s.bytes);
	}
	for (int i = 0; i < FOLLOWERS + 2; i++)
		close(fds[i]);
	/* A parked call of another session is the clock. */
	const struct sfx_worker clock = { "clock", "0000000000000009" };
	sfx_register(fx, &clock, 1);
	int left = count_files();
	for (int i = 0; i < 200 && left > before; i++) {
		json_decref(sfx_lease(fx, &clock, 0, 50, NULL));
		left = count_files();
	}
	assert_in_range(left, 0, before);
}

/* --- wait --- */

static void test_wait_until_all_are_final(void **state)
{
	struct sfx *fx = *state;
	sfx_register(fx, &one, 2);
	int64_t a = sfx_submit(fx, TRUE_BODY), b = sfx_submit(fx, TRUE_BODY);
	char path[100];
	snprintf(path, sizeof path, "/v1/wait?ids=%lld,%lld&timeout=60", (long long)b, (long long)a);
	int fd = sfx_send(fx, NULL, "GET", path, NULL, 0);
	json_decref(sfx_lease(fx, &one, 2, 0, NULL));
	json_decref(sfx_lease(fx, &one, 0, 0, sfx_result(a, 1, "succeeded", "")));
	json_decref(sfx_lease(fx, &one, 0, 0, sfx_result(b, 1, "failed", "exit")));
	json_t *w = sfx_answer(fd, 200);
	assert_true(json_is_true(json_object_get(w, "done")));
	const json_t *first = json_array_get(json_object_get(w, "jobs"), 0);
	assert_int_equal(json_integer_value(json_object_get(first, "id")), b);
	assert_string_equal(json_string_value(json_object_get(first, "state")), "failed");
	assert_int_equal(json_integer_value(json_object_get(first, "exit_code")), 1);
	json_decref(w);
	int64_t c = sfx_submit(fx, TRUE_BODY);
	snprintf(path, sizeof path, "/v1/wait?ids=%lld&timeout=50ms", (long long)c);
	w = sfx_call(fx, NULL, "GET", path, NULL, 200);
	assert_true(json_is_false(json_object_get(w, "done")));
	json_decref(w);
}

/* --- time --- */

static void test_scheduled_jobs_start_in_time(void **state)
{
	struct sfx *fx = *state;
	sfx_register(fx, &one, 1);
	int64_t a = sfx_submit(fx, "{\"argv\":[\"true\"],\"max_attempts\":2,\"retry_delay\":0.2}");
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	json_decref(sfx_lease(fx, &one, 0, 0, sfx_result(a, 1, "failed", "exit")));
	assert_string_equal(sfx_state(fx, a), "scheduled");
	int attempt;
	json_t *l = sfx_lease(fx, &one, 1, 20000, NULL);
	assert_int_equal(sfx_spec(l, 0, &attempt), a);
	assert_int_equal(attempt, 2);
	json_decref(l);
}

/* --- why --- */

static void expect_why(struct sfx *fx, int64_t job, const char *summary, const char *cause)
{
	char path[64];
	snprintf(path, sizeof path, "/v1/jobs/%lld/why", (long long)job);
	json_t *w = sfx_call(fx, NULL, "GET", path, NULL, 200);
	char *text = json_dumps(w, 0);
	if (!strstr(json_string_value(json_object_get(w, "summary")), summary) || !strstr(text, cause))
		fail_msg("why %lld: %s", (long long)job, text);
	free(text);
	json_decref(w);
}

static void test_why(void **state)
{
	struct sfx *fx = *state;
	char body[100];
	int64_t a = sfx_submit(fx, TRUE_BODY);
	expect_why(fx, a, "no worker takes", "start a worker");
	sfx_register(fx, &one, 1);
	expect_why(fx, a, "it is next", "0 of 1 slots");
	int64_t b = sfx_submit(fx, TRUE_BODY);
	expect_why(fx, b, "1 job is ahead", "slipway priority");
	int64_t gpu = sfx_submit(fx, "{\"argv\":[\"true\"],\"tags\":[\"gpu\"]}");
	expect_why(fx, gpu, "no worker takes", "worker one");
	snprintf(body, sizeof body, "{\"argv\":[\"true\"],\"needs\":[%lld]}", (long long)a);
	int64_t c = sfx_submit(fx, body);
	snprintf(body, sizeof body, "{\"argv\":[\"true\"],\"needs\":[%lld]}", (long long)c);
	int64_t d = sfx_submit(fx, body);
	expect_why(fx, d, "one job that it needs", "it is next");
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	expect_why(fx, a, "it runs on worker one", "attempt 1");
	char more[300];
	snprintf(
		more, sizeof more,
		"\"results\":[{\"job\":%lld,\"attempt\":1,\"outcome\":\"failed\",\"reason\":\"exit\",\"exit_code\":3,"
		"\"log\":\"G1szMW1yZWQKaGk=\"}]",
		(long long)a);
	json_decref(sfx_lease(fx, &one, 0, 0, more));
	expect_why(fx, a, "status 3", "log: red");
	expect_why(fx, d, "did not succeed", "status 3");
	int64_t s = sfx_submit(fx, "{\"argv\":[\"true\"],\"suspended\":true}");
	expect_why(fx, s, "suspended it", "slipway resume");
	int64_t t = sfx_submit(fx, "{\"argv\":[\"true\"],\"run_at\":\"2099-01-01T00:00:00Z\"}");
	expect_why(fx, t, "2099-01-01", "null");
	snprintf(body, sizeof body, "{\"ids\":[%lld]}", (long long)t);
	json_decref(sfx_call(fx, NULL, "POST", "/v1/jobs/cancel", body, 200));
	expect_why(fx, t, "cancelled it", "slipway retry");
}

/* --- targets, builds: what an end makes happen --- */

static void test_target_is_made_and_used(void **state)
{
	struct sfx *fx = *state;
	static const char sha[] =
		"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"; /* hello */
	static const char create[] =
		"{\"kind\":\"target\",\"target\":\"t\",\"make\":{\"mode\":\"create\",\"suite\":"
		"\"bookworm\"}}";
	static const char build[] =
		"{\"kind\":\"build\",\"target\":\"t\",\"build\":{\"type\":\"deb\",\"source\":"
		"\"x_1.dsc\"},\"inputs\":[{\"name\":\"x_1.dsc\",\"sha256\":\"%s\",\"size\":5}]}";
	char body[400], more[500], path[200];
	sfx_register(fx, &one, 1);
	snprintf(path, sizeof path, "/v1/blobs/%s", sha);
	json_decref(sfx_call(fx, NULL, "PUT", path, "hello", 201));
	int64_t a = sfx_submit(fx, create);
	expect_error(fx, "POST", "/v1/jobs", create, 409, "conflict", "exists");
	json_t *t = sfx_call(fx, NULL, "GET", "/v1/targets/t", NULL, 200);
	assert_string_equal(json_string_value(json_object_get(t, "state")), "making");
	assert_int_equal(json_integer_value(json_object_get(t, "job")), a);
	json_decref(t);
	json_t *l = sfx_lease(fx, &one, 1, 0, NULL);
	assert_int_equal(sfx_spec(l, 0, NULL), a);
	json_decref(l);
	snprintf(
		more, sizeof more,
		"\"results\":[{\"job\":%lld,\"attempt\":1,\"outcome\":\"succeeded\",\"artifacts\":[{\"name\":"
		"\"image.tar.zst\",\"sha256\":\"%s\",\"size\":5}]}]",
		(long long)a, sha);
	json_decref(sfx_lease(fx, &one, 0, 0, more));
	t = sfx_call(fx, NULL, "GET", "/v1/targets/t", NULL, 200);
	assert_string_equal(json_string_value(json_object_get(t, "state")), "ready");
	assert_string_equal(json_string_value(json_object_get(t, "image")), sha);
	json_decref(t);

	snprintf(body, sizeof body, build, sha);
	int64_t b = sfx_submit(fx, body);
	l = sfx_lease(fx, &one, 1, 0, NULL);
	assert_int_equal(sfx_spec(l, 0, NULL), b);
	const json_t *spec = json_array_get(json_object_get(l, "specs"), 0);
	assert_string_equal(json_string_value(json_object_get(spec, "image")), sha);
	json_decref(l);
	/* A dependency does not exist: the build sleeps until the target is new. */
	snprintf(
		more, sizeof more,
		"\"results\":[{\"job\":%lld,\"attempt\":1,\"outcome\":\"failed\",\"reason\":\"depwait\",\"step\":"
		"\"dependencies\",\"exit_code\":1,\"result\":\"{\\\"missing\\\":[\\\"libfoo-dev\\\"]}\"}]",
		(long long)b);
	json_decref(sfx_lease(fx, &one, 0, 0, more));
	assert_string_equal(sfx_state(fx, b), "depwait");
	expect_why(fx, b, "dependency", "libfoo-dev");
	int64_t u = sfx_submit(fx, "{\"kind\":\"target\",\"target\":\"t\",\"make\":{\"mode\":\"update\"}}");
	l = sfx_lease(fx, &one, 1, 0, NULL);
	assert_int_equal(sfx_spec(l, 0, NULL), u);
	json_decref(l);
	snprintf(
		more, sizeof more,
		"\"results\":[{\"job\":%lld,\"attempt\":1,\"outcome\":\"succeeded\",\"artifacts\":[{\"name\":"
		"\"image.tar.zst\",\"sha256\":\"%s\",\"size\":5}]}]",
		(long long)u, sha);
	json_decref(sfx_lease(fx, &one, 0, 0, more));
	assert_string_equal(sfx_state(fx, b), "waiting");
	json_decref(sfx_call(fx, NULL, "DELETE", "/v1/targets/t", NULL, 409));
}

static void test_plan_that_fails_ends_the_attempt(void **state)
{
	struct sfx *fx = *state;
	sfx_register(fx, &one, 1);
	sfx_submit(
		fx,
		"{\"kind\":\"target\",\"target\":\"t\",\"make\":{\"mode\":\"create\",\"suite\":\"bookworm\"}}");
	/* While the image is not there yet. */
	int64_t b = sfx_submit(fx, "{\"argv\":[\"true\"],\"target\":\"t\",\"priority\":5}");
	int64_t c = sfx_submit(fx, "{\"argv\":[\"true\"],\"priority\":4}");
	json_t *l = sfx_lease(fx, &one, 1, 0, NULL);
	/* It cannot be planned, so the call goes on to the next. */
	assert_int_equal(sfx_spec(l, 0, NULL), c);
	json_decref(l);
	json_t *j = sfx_show(fx, b);
	assert_string_equal(json_string_value(json_object_get(j, "state")), "failed");
	assert_string_equal(json_string_value(json_object_get(j, "reason")), "target");
	json_decref(j);
}

/* --- who may do what --- */

static void test_other_users(void **state)
{
	struct sfx *fx = *state;
	if (geteuid() != 0)
		SKIP("only root can become another user");
	sfx_submit(fx, TRUE_BODY);
	chmod(fx->dir, 0711);
	chmod(fx->socket, 0666);
	pid_t child = fork();
	if (child == 0) {
		/* The other threads are not in this process; only the client is used. */
		if (setgid(65534) || setuid(65534))
			_exit(10);
		json_decref(sfx_call(fx, NULL, "GET", "/v1/jobs", NULL, 200));
		json_t *a = sfx_call(fx, NULL, "POST", "/v1/jobs/cancel", "{\"ids\":[1]}", 200);
		const json_t *r = json_array_get(json_object_get(a, "results"), 0);
		if (json_is_true(json_object_get(r, "ok")))
			_exit(11);
		json_decref(sfx_call(fx, NULL, "POST", "/v1/jobs", TRUE_BODY, 201));
		json_decref(sfx_call(fx, NULL, "POST", "/v1/jobs/cancel", "{\"ids\":[2]}", 200));
		json_decref(sfx_call(fx, NULL, "POST", "/v1/jobs", "{\"argv\":[\"true\"],\"owner\":\"root\"}",
				     403));
		json_decref(sfx_call(fx, NULL, "POST", "/v1/workers/one", "{\"state\":\"active\"}", 403));
		json_decref(sfx_call(fx, &one, "POST", "/feed/lease", "{\"free\":1}", 403));
		json_decref(sfx_call(fx, NULL, "POST", "/v1/admin/gc", "", 403));
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_string_equal(sfx_state(fx, 1), "waiting");
	assert_string_equal(sfx_state(fx, 2), "cancelled");
}

static void test_draining_worker_gets_nothing(void **state)
{
	struct sfx *fx = *state;
	sfx_register(fx, &one, 1);
	json_decref(sfx_call(fx, NULL, "POST", "/v1/workers/one", "{\"state\":\"draining\"}", 200));
	int64_t a = sfx_submit(fx, TRUE_BODY);
	int fd = sfx_lease_send(fx, &one, 1, 60000, NULL);
	expect_why(fx, a, "no worker takes", "worker-state one active");
	json_decref(sfx_call(fx, NULL, "POST", "/v1/workers/one", "{\"state\":\"active\"}", 200));
	json_t *l = sfx_answer(fd, 200);
	assert_int_equal(sfx_spec(l, 0, NULL), a);
	json_decref(l);
}

/* --- the page that comes from the table --- */

static void test_api_page_is_up_to_date(void **state)
{
	CLEAN_BUF struct buf made = BUF_INIT;
	CLEAN_BUF struct buf there = BUF_INIT;
	char path[1024];
	const char *tree = getenv("SLIPWAY_SRC");
	if (!tree)
		SKIP("SLIPWAY_SRC is not set");
	snprintf(path, sizeof path, "%s/docs/API.md", tree);
	assert_int_equal(fd_read_file(AT_FDCWD, path, 1 << 20, &there, NULL), 0);
	server_api_doc(&made);
	if (strcmp(made.data, there.data) != 0)
		fail_msg("docs/API.md is old: slipway api-doc > docs/API.md");
}

int main(void)
{
	if (pg_skip_all())
		return 0;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_not_known_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_bodies_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_batch_is_all_or_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dedupe_gives_the_live_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_is_followed_from_before_the_start, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_that_came_with_the_outcome, setup, teardown),
		cmocka_unit_test_setup_teardown(test_follower_of_a_job_that_never_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clients_that_left_are_noticed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wait_until_all_are_final, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scheduled_jobs_start_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_why, setup, teardown),
		cmocka_unit_test_setup_teardown(test_target_is_made_and_used, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plan_that_fails_ends_the_attempt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_users, setup, teardown),
		cmocka_unit_test_setup_teardown(test_draining_worker_gets_nothing, setup, teardown),
		cmocka_unit_test(test_api_page_is_up_to_date),
	};
	return cmocka_run_group_tests_name("server_api", tests, NULL, NULL);
}
