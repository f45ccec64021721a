/* What an attempt leaves goes to the server: its log while it runs, its artifacts, and only then the result. */
#include <fcntl.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "worker_fixture.h"

static void write_log(int64_t job, const char *text)
{
	char path[300];
	struct err e = ERR_INIT;

	snprintf(path, sizeof(path), "%s/logs/%lld.1", work_dir, (long long)job);
	assert_int_equal(fd_replace_file(AT_FDCWD, path, text, strlen(text), 0600, &e), 0);
}

/* The log goes up at its offsets, from where the server has it, and the result only after it. */
static void test_log_is_uploaded(void **state)
{
	struct outcome o = { .job = 1,
			     .attempt = 1,
			     .outcome = OUTCOME_SUCCEEDED,
			     .step = "",
			     .detail = "",
			     .log_bytes = 10 };
	struct fake_request r, lease;
	json_t *json;

	begin_with_jobs(remote_answer, 1);
	write_log(1, "0123456789");
	fake_run_log(1, 1, 4);
	r = fake_take(&server, "/feed/log");
	assert_string_equal(r.path, "/feed/log?job=1&attempt=1&offset=0");
	assert_int_equal(r.body_len, 4);
	fake_answer(&r, 200, "{\"size\":4}");
	fake_run_log(1, 1, 7);
	r = fake_take(&server, "/feed/log");
	assert_string_equal(r.path, "/feed/log?job=1&attempt=1&offset=4");
	/* It has lost some. */
	fake_answer(&r, 409, "{\"error\":{\"code\":\"conflict\",\"message\":\"a gap\"},\"size\":2}");
	r = fake_take(&server, "/feed/log");
	assert_string_equal(r.path, "/feed/log?job=1&attempt=1&offset=2");
	fake_run_finish(&o, NULL);
	/* Its slot is offered at once, its result not yet. */
	while (fake_comes(&server, "/feed/lease", 30, &lease)) {
		json = body(&lease);
		assert_int_equal(length(json, "results"), 0);
		json_decref(json);
	}
	fake_answer(&r, 200, "{\"size\":7}");
	r = fake_take(&server, "/feed/log");
	assert_string_equal(r.path, "/feed/log?job=1&attempt=1&offset=7");
	assert_int_equal(r.body_len, 3);
	fake_answer(&r, 200, "{\"size\":10}");
	fake_answer(&lease, 200, "{}");
	lease = take_report(&json);
	assert_int_equal(length(json, "results"), 1);
	confirm(&lease, json);
	json_decref(json);
	end_worker();
}

static void test_local_log_is_told(void **state)
{
	struct fake_request r;

	begin_with_jobs(local_answer, 1);
	fake_run_log(1, 1, 5000);
	r = fake_take(&server, "/feed/log");
	assert_string_equal(r.path, "/feed/log?job=1&attempt=1&size=5000");
	/* One at a time, and then the newest. */
	for (int i = 1; i <= 5; i++)
		fake_run_log(1, 1, 5000 + i);
	struct fake_request early;
	assert_false(fake_comes(&server, "/feed/log", 20, &early));
	fake_answer(&r, 200, "{}");
	r = fake_take(&server, "/feed/log");
	assert_string_equal(r.path, "/feed/log?job=1&attempt=1&size=5005");
	fake_answer(&r, 200, "{}");
	end_worker();
}

/* ---- artifacts ---------------------------------------------------------------------------------------------- */

static struct artifact files[2] = { { .name = "a", .size_bytes = 3 }, { .name = "b", .size_bytes = 0 } };
static int file_fds[2];

static void make_files(struct outcome *o)
{
	for (int i = 0; i < 2; i++) {
		file_fds[i] = memfd_create("test", MFD_CLOEXEC);
		memset(files[i].sha256, i ? 'b' : 'a', 64);
	}
	assert_int_equal(write(file_fds[0], "abc", 3), 3);
	*o = (struct outcome){ .job = 1,
			       .attempt = 1,
			       .outcome = OUTCOME_SUCCEEDED,
			       .step = "",
			       .detail = "",
			       .artifacts = files,
			       .artifacts_len = 2 };
}

static void test_artifacts(void **state)
{
	struct outcome o;
	struct fake_request r, lease;
	json_t *json;

	begin_with_jobs(local_answer, 1);
	make_files(&o);
	fake_run_finish(&o, file_fds);
	r = fake_take(&server, "/feed/artifact");
	assert_string_equal(r.method, "PUT");
	assert_non_null(strstr(r.path, "job=1&attempt=1&sha256=aaaa"));
	assert_memory_equal(r.body, "abc", 3);
	/* A fault of the server's: again. */
	fake_answer(&r, 503, "{\"error\":{\"code\":\"busy\",\"message\":\"later\"}}");
	r = fake_take(&server, "/feed/artifact");
	assert_string_equal(r.method, "GET");
	fake_answer(&r, 200, "{\"size\":0,\"whole\":false}");
	r = fake_take(&server, "/feed/artifact");
	assert_string_equal(r.method, "PUT");
	assert_memory_equal(r.body, "abc", 3);
	fake_answer(&r, 201, "{}");
	r = fake_take(&server, "/feed/artifact");
	assert_non_null(strstr(r.path, "sha256=bbbb"));
	fake_answer(&r, 201, "{}");
	lease = take_report(&json);
	json_t *result = json_array_get(json_object_get(json, "results"), 0);
	assert_int_equal(length(result, "artifacts"), 2);
	confirm(&lease, json);
	json_decref(json);
	end_worker();
	assert_int_equal(fcntl(file_fds[0], F_GETFD), -1);
}

/* The line breaks in an upload: what is there is asked for, and only the rest is sent. */
static void test_artifact_is_resumed(void **state)
{
	struct outcome o;
	struct fake_request r;

	begin_with_jobs(local_answer, 1);
	make_files(&o);
	fake_run_finish(&o, file_fds);
	/* More often than a fault would be borne with: each time a byte more has arrived. */
	for (int at = 0; at < 3; at++) {
		r = fake_take(&server, "/feed/artifact");
		assert_string_equal(r.method, "PUT");
		assert_int_equal(r.body_len, 3 - at);
		assert_memory_equal(r.body, &"abc"[at], (size_t)(3 - at));
		assert_true((strstr(r.path, "&offset=") != NULL) == (at > 0));
		fake_hang_up(r.connection);
		r = fake_take(&server, "/feed/artifact");
		assert_string_equal(r.method, "GET");
		assert_non_null(strstr(r.path, "job=1&attempt=1&sha256=aaaa"));
		fake_answer(&r, 200,
			    at == 0   ? "{\"size\":1,\"whole\":false}"
			    : at == 1 ? "{\"size\":2,\"whole\":false}"
				      : "{\"size\":3,\"whole\":true}");
	}
	r = fake_take(&server, "/feed/artifact");
	assert_non_null(strstr(r.path, "sha256=bbbb"));
	fake_answer(&r, 201, "{}");
	confirm_report();
	end_worker();
}

static void test_artifact_is_refused(void **state)
{
	struct outcome o;
	struct fake_request r, lease;
	json_t *json;

	begin_with_jobs(local_answer, 1);
	make_files(&o);
	fake_run_finish(&o, file_fds);
	r = fake_take(&server, "/feed/artifact");
	fake_answer(&r, 413, "{\"error\":{\"code\":\"too_large\",\"message\":\"too much\"}}");
	lease = take_report(&json);
	json_t *result = json_array_get(json_object_get(json, "results"), 0);
	assert_string_equal(json_string_value(json_object_get(result, "outcome")), "failed");
	assert_string_equal(json_string_value(json_object_get(result, "reason")), "collect");
	assert_int_equal(length(result, "artifacts"), 0);
	confirm(&lease, json);
	json_decref(json);
	end_worker();
	assert_int_equal(fcntl(file_fds[0], F_GETFD), -1);
	assert_int_equal(fcntl(file_fds[1], F_GETFD), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORKER_TEST(test_log_is_uploaded),     WORKER_TEST(test_local_log_is_told),
		WORKER_TEST(test_artifacts),	       WORKER_TEST(test_artifact_is_resumed),
		WORKER_TEST(test_artifact_is_refused),
	};

	return cmocka_run_group_tests_name("deliver", tests, NULL, NULL);
}
