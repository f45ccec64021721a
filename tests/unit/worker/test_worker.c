/* The worker between a server and a runner that the test plays: what it says, in which order, and what it does when
 * answers do not come. */
#include "worker/worker.h"

#include "worker_fixture.h"

static void test_register(void **state)
{
	const char *tags[] = { "big", "ssd" };
	struct fake_request r;
	struct fake_event ev;
	json_t *json;

	options.tags = tags;
	options.tags_len = 2;
	begin_worker();
	r = fake_take(&server, "/feed/register");
	json = body(&r);
	assert_string_equal(json_string_value(json_object_get(json, "name")), "w1");
	/* Before src/run is open nothing is known to work but this. */
	assert_int_equal(length(json, "isolations"), 1);
	json_decref(json);
	fake_answer(&r, 200, local_answer);
	ev = fake_run_take(FAKE_OPENED);
	assert_string_equal(ev.blob_dir, "/b");
	assert_string_equal(ev.log_dir, "/l");
	r = fake_take(&server, "/feed/register");
	json = body(&r);
	assert_int_equal(length(json, "isolations"), 2);
	/* Its own two, and the limit that this machine keeps of those that some cannot. */
	assert_int_equal(length(json, "tags"), 3);
	assert_string_equal(json_string_value(json_array_get(json_object_get(json, "tags"), 2)),
			    "limit-pids");
	assert_int_equal(number(json, "slots"), 2);
	assert_true(strlen(json_string_value(json_object_get(json, "session"))) >= 16);
	json_decref(json);
	fake_answer(&r, 200, local_answer);
	r = fake_take(&server, "/feed/lease");
	json = body(&r);
	assert_int_equal(number(json, "free"), 2);
	assert_true(number(json, "wait_ms") > 0);
	assert_null(json_object_get(json, "holding"));
	assert_non_null(strstr(r.head, "Slipway-Worker: w1\r\n"));
	assert_non_null(strstr(r.head, "Slipway-Session: "));
	json_decref(json);
	end_worker();
}

static void test_isolation_is_limited(void **state)
{
	struct fake_request r;
	json_t *json;

	options.isolations = 1u << ISOLATION_CHROOT;
	begin_worker();
	r = fake_take(&server, "/feed/register");
	fake_answer(&r, 200, local_answer);
	r = fake_take(&server, "/feed/register");
	json = body(&r);
	assert_int_equal(length(json, "isolations"), 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(json, "isolations"), 0)),
			    "chroot");
	json_decref(json);
	fake_answer(&r, 200, local_answer);
	end_worker();
}

static void test_register_is_refused(void **state)
{
	struct fake_request r;
	struct err e;

	begin_worker();
	r = fake_take(&server, "/feed/register");
	fake_answer(&r, 403, "{\"error\":{\"code\":\"denied\",\"message\":\"not you\"}}");
	assert_int_equal(join_worker(&e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	stop_worker();
}

static void test_result_and_lease_are_one_call(void **state)
{
	struct fake_request r;
	json_t *json, *result;

	begin_local();
	r = fake_take(&server, "/feed/lease");
	grant(&r, "", 1, 2);
	fake_run_take(FAKE_STARTED);
	assert_int_equal(fake_run_take(FAKE_STARTED).job, 2);
	succeed(1);
	r = take_report(&json);
	assert_int_equal(length(json, "results"), 1);
	result = json_array_get(json_object_get(json, "results"), 0);
	assert_int_equal(number(result, "job"), 1);
	assert_string_equal(json_string_value(json_object_get(result, "outcome")), "succeeded");
	assert_true(number(json, "free") >= 1);
	json_decref(json);
	grant(&r, "\"results\":[{\"job\":1,\"attempt\":1,\"ok\":true}],", 3, 3);
	assert_int_equal(fake_run_take(FAKE_STARTED).job, 3);
	end_worker();
}

/* Results that come while others are on their way go together with the next call. */
static void test_results_gather(void **state)
{
	struct fake_request r;
	json_t *json, *next;

	options.slots = 4;
	begin_with_jobs(local_answer, 4);
	succeed(1);
	r = take_report(&json);
	for (int64_t id = 2; id <= 4; id++)
		succeed(id);
	/* Nothing with results comes before the answer. */
	struct fake_request early;
	assert_false(fake_comes(&server, "/feed/lease", 30, &early));
	confirm(&r, json);
	json_decref(json);
	r = take_report(&next);
	assert_int_equal(length(next, "results"), 3);
	confirm(&r, next);
	json_decref(next);
	end_worker();
}

static void test_short_jobs_are_fetched_ahead(void **state)
{
	struct fake_request r;
	json_t *json;
	int64_t most = 0;

	begin_local();
	r = fake_take(&server, "/feed/lease");
	grant(&r, "", 1, 1);
	for (int64_t id = 1; id <= 30; id++) {
		assert_int_equal(fake_run_take(FAKE_STARTED).job, id);
		succeed(id);
		r = take_report(&json);
		if (number(json, "free") > most)
			most = number(json, "free");
		json_decref(json);
		char more[100];
		snprintf(more, sizeof(more), "\"results\":[{\"job\":%lld,\"attempt\":1,\"ok\":true}],",
			 (long long)id);
		grant(&r, more, id + 1, id + 1);
	}
	assert_true(most > 2);
	assert_true(most <= 2 + 64);
	end_worker();
}

static void test_uncertain_call_names_what_is_held(void **state)
{
	struct fake_request r;
	json_t *json;

	begin_with_jobs(local_answer, 2);
	succeed(1);
	r = take_report(&json);
	json_decref(json);
	/* The server dies with the call, and comes back. */
	fake_die(&server);
	fake_listen(&server);
	r = fake_take(&server, "/feed/lease");
	json = body(&r);
	assert_int_equal(length(json, "holding"), 2);
	/* The result goes again. */
	assert_int_equal(length(json, "results"), 1);
	/* Until the answer is there nothing else is asked, whatever happens meanwhile. */
	struct fake_request early;
	fake_run_log(2, 1, 5000);
	assert_false(fake_comes(&server, "/feed/lease", 30, &early));
	confirm(&r, json);
	json_decref(json);
	r = fake_take(&server, "/feed/lease");
	json = body(&r);
	assert_null(json_object_get(json, "holding"));
	assert_int_equal(length(json, "results"), 0);
	json_decref(json);
	fake_answer(&r, 200, "{}");
	end_worker();
}

/* Told before the lease is over, and killed here when no answer came until then. */
static void test_deadline(void **state)
{
	struct fake_request lease, beat;
	struct fake_event ev;
	int64_t before, told = 0;
	json_t *json;

	begin_worker();
	register_worker(
		"{\"worker\":1,\"lease_ms\":400,\"beat_ms\":100,\"local\":{\"blobs\":\"/b\",\"logs\":\"/l\"}}");
	lease = fake_take(&server, "/feed/lease");
	before = clock_boot_ms();
	grant(&lease, "", 1, 1);
	ev = fake_run_take(FAKE_KEPT);
	assert_true(ev.until_ms <= before + 400);
	told = ev.until_ms;
	fake_run_take(FAKE_STARTED);
	/* No beat is answered. */
	beat = fake_take(&server, "/feed/beat");
	json = body(&beat);
	assert_int_equal(length(json, "running"), 1);
	json_decref(json);
	while (!fake_run_comes(FAKE_STOPPED, 1000, &ev))
		;
	assert_int_equal(ev.how, RUN_STOP_STALE);
	assert_int_equal(ev.job, 1);
	assert_true(clock_boot_ms() >= told);
	/* What the runner still says of it is not passed on. */
	succeed(1);
	fake_die(&server);
	fake_listen(&server);
	for (;;) {
		struct fake_request r = fake_take(&server, "/feed/lease");

		json = body(&r);
		assert_int_equal(length(json, "results"), 0);
		if (json_object_get(json, "holding")) {
			assert_int_equal(length(json, "holding"), 0);
			/* It does not deny it: it says that it killed it. */
			assert_int_equal(length(json, "dropped"), 1);
			fake_answer(&r, 200, "{}");
			json_decref(json);
			break;
		}
		json_decref(json);
	}
	end_worker();
}

/* The server renews by beats alone. A worker that took any answer for a renewal would go on with what was given away. */
static void test_lease_calls_renew_nothing(void **state)
{
	struct fake_request r;
	struct fake_event ev;
	int64_t before;

	begin_worker();
	register_worker(
		"{\"worker\":1,\"lease_ms\":400,\"beat_ms\":100,\"local\":{\"blobs\":\"/b\",\"logs\":\"/l\"}}");
	r = fake_take(&server, "/feed/lease");
	before = clock_boot_ms();
	grant(&r, "", 1, 1);
	fake_run_take(FAKE_STARTED);
	while (!fake_run_comes(FAKE_STOPPED, 5, &ev)) {
		assert_true(clock_boot_ms() < before + 5000);
		if (fake_comes(&server, "/feed/lease", 0, &r))
			fake_answer(&r, 200, "{}");
	}
	assert_int_equal(ev.how, RUN_STOP_STALE);
	assert_int_equal(ev.job, 1);
	end_worker();
}

/* What came to a call that had waited is good from when it was given, not from when it was asked for. */
static void test_a_late_grant_is_good(void **state)
{
	struct fake_request r;
	struct fake_event ev;
	int64_t sent;

	begin_worker();
	register_worker(
		"{\"worker\":1,\"lease_ms\":400,\"beat_ms\":100,\"local\":{\"blobs\":\"/b\",\"logs\":\"/l\"}}");
	r = fake_take(&server, "/feed/lease");
	sent = clock_boot_ms();
	assert_int_equal(poll(NULL, 0, 390), 0);
	grant(&r, "\"waited_ms\":390,", 1, 1);
	ev = fake_run_take(FAKE_KEPT);
	assert_true(ev.until_ms > sent + 400);
	assert_true(ev.until_ms <= sent + 390 + 400);
	fake_run_take(FAKE_STARTED);
	end_worker();
}

static void test_stale_session(void **state)
{
	char before[64];
	struct fake_request r;
	struct fake_event ev;

	begin_with_jobs(local_answer, 1);
	r = fake_take(&server, "/feed/lease");
	snprintf(before, sizeof(before), "%s", session);
	fake_answer(&r, 409, "{\"error\":{\"code\":\"stale\",\"message\":\"a newer one\"}}");
	ev = fake_run_take(FAKE_STOPPED);
	assert_int_equal(ev.how, RUN_STOP_STALE);
	r = fake_take(&server, "/feed/register");
	note_session(&r);
	assert_string_not_equal(before, session);
	fake_answer(&r, 200, local_answer);
	r = fake_take(&server, "/feed/lease");
	fake_answer(&r, 200, "{}");
	end_worker();
}

static void test_cancels(void **state)
{
	struct fake_request r;
	struct fake_event ev;

	options.slots = 1;
	begin_local();
	r = fake_take(&server, "/feed/lease");
	/* More than was asked for: the second waits here. */
	grant(&r, "", 1, 2);
	fake_run_take(FAKE_STARTED);
	r = fake_take(&server, "/feed/lease");
	fake_answer(
		&r, 200,
		"{\"cancels\":[{\"job\":1,\"attempt\":1},{\"job\":2,\"attempt\":1},{\"job\":9,\"attempt\":1}]}");
	ev = fake_run_take(FAKE_STOPPED);
	assert_int_equal(ev.job, 1);
	assert_int_equal(ev.how, RUN_STOP_CANCEL);
	confirm_result(2, "cancelled", NULL);
	end_worker();
}

static void test_beat_says_stale(void **state)
{
	struct fake_request r;
	struct fake_event ev;

	begin_worker();
	register_worker(
		"{\"worker\":1,\"lease_ms\":20000,\"beat_ms\":50,\"local\":{\"blobs\":\"/b\",\"logs\":\"/l\"}}");
	r = fake_take(&server, "/feed/lease");
	grant(&r, "", 1, 2);
	r = fake_take(&server, "/feed/beat");
	fake_answer(&r, 200, "{\"lease_ms\":20000,\"cancels\":[[2,1]],\"stale\":[[1,1]]}");
	ev = fake_run_take(FAKE_STOPPED);
	assert_int_equal(ev.how, RUN_STOP_CANCEL);
	assert_int_equal(ev.job, 2);
	ev = fake_run_take(FAKE_STOPPED);
	assert_int_equal(ev.how, RUN_STOP_STALE);
	assert_int_equal(ev.job, 1);
	r = fake_take(&server, "/feed/beat");
	json_t *json = body(&r);
	assert_int_equal(length(json, "running"), 1);
	json_decref(json);
	fake_answer(&r, 200, "{}");
	end_worker();
}

static void test_start_fails(void **state)
{
	struct fake_request r;

	fake_run_refuses = true;
	begin_local();
	r = fake_take(&server, "/feed/lease");
	grant(&r, "", 1, 1);
	confirm_result(1, "failed", "internal");
	end_worker();
}

/* c.3, dispatch: what it cannot use is answered, not only left out. */
static void test_spec_that_cannot_be_used(void **state)
{
	struct fake_request r;
	json_t *json, *result;

	begin_local();
	r = fake_take(&server, "/feed/lease");
	fake_answer(&r, 200, "{\"specs\":[{\"job\":7,\"attempt\":2,\"isolation\":\"moon\"}]}");
	r = take_report(&json);
	result = json_array_get(json_object_get(json, "results"), 0);
	assert_int_equal(number(result, "job"), 7);
	assert_int_equal(number(result, "attempt"), 2);
	assert_string_equal(json_string_value(json_object_get(result, "outcome")), "failed");
	assert_string_equal(json_string_value(json_object_get(result, "reason")), "internal");
	confirm(&r, json);
	json_decref(json);
	end_worker();
}

static void test_beat_tells_what_has_not_begun(void **state)
{
	struct fake_request r;
	json_t *json;

	options.slots = 1;
	begin_worker();
	register_worker(
		"{\"worker\":1,\"lease_ms\":20000,\"beat_ms\":50,\"local\":{\"blobs\":\"/b\",\"logs\":\"/l\"}}");
	r = fake_take(&server, "/feed/lease");
	grant(&r, "", 1, 2);
	r = fake_take(&server, "/feed/beat");
	json = body(&r);
	assert_int_equal(length(json, "running"), 2);
	assert_int_equal(length(json, "queued"), 1);
	assert_int_equal(
		json_integer_value(json_array_get(json_array_get(json_object_get(json, "queued"), 0), 0)), 2);
	json_decref(json);
	/* c.3: disabled while building. */
	fake_answer(&r, 200, "{\"lease_ms\":20000,\"releases\":[[1,1]]}");
	struct fake_event ev = fake_run_take(FAKE_STOPPED);
	assert_int_equal(ev.job, 1);
	assert_int_equal(ev.how, RUN_STOP_RELEASE);
	end_worker();
}

/* c.3, CLEAN must be clean: it says so itself and takes no more. */
static void test_unclean_is_told_and_takes_no_more(void **state)
{
	struct fake_request r;
	json_t *json, *unclean;

	options.slots = 2;
	begin_with_jobs(local_answer, 1);
	fake_run_stuck_job = 1;
	for (;;) {
		r = fake_take(&server, "/feed/lease");
		json = body(&r);
		unclean = json_object_get(json, "unclean");
		if (unclean)
			break;
		json_decref(json);
		fake_answer(&r, 200, "{}");
	}
	assert_string_equal(json_string_value(json_object_get(unclean, "reason")), "it does not die");
	assert_int_equal(length(unclean, "attempts"), 1);
	assert_int_equal(number(json, "free"), 0);
	json_decref(json);
	fake_answer(&r, 200, "{}");
	end_worker();
}

static void test_stop_gives_back(void **state)
{
	struct fake_request r, leave;
	struct fake_event ev;
	json_t *json;
	struct err e;

	options.slots = 1;
	begin_local();
	r = fake_take(&server, "/feed/lease");
	grant(&r, "", 1, 2);
	fake_run_take(FAKE_STARTED);
	stop_worker();
	ev = fake_run_take(FAKE_STOPPED);
	assert_int_equal(ev.how, RUN_STOP_RELEASE);
	r = take_report(&json);
	/* The one that had not started. */
	json_t *result = json_array_get(json_object_get(json, "results"), 0);
	assert_int_equal(number(result, "job"), 2);
	assert_string_equal(json_string_value(json_object_get(result, "outcome")), "released");
	assert_int_equal(number(json, "free"), 0);
	confirm(&r, json);
	json_decref(json);
	assert_false(fake_comes(&server, "/feed/leave", 30, &leave));
	struct outcome o = { .job = 1, .attempt = 1, .outcome = OUTCOME_RELEASED, .step = "", .detail = "" };
	fake_run_finish(&o, NULL);
	r = fake_take(&server, "/feed/lease");
	json = body(&r);
	assert_int_equal(length(json, "results"), 1);
	confirm(&r, json);
	json_decref(json);
	leave = fake_take(&server, "/feed/leave");
	fake_answer(&leave, 200, "{}");
	assert_int_equal(join_worker(&e), 0);
}

/* When the server is dead there is nobody to wait for. */
static void test_stop_without_server(void **state)
{
	struct err e;
	int64_t before;

	begin_with_jobs(local_answer, 1);
	fake_take(&server, "/feed/lease");
	fake_die(&server);
	before = clock_boot_ms();
	stop_worker();
	fake_run_take(FAKE_CLOSED);
	assert_int_equal(join_worker(&e), 0);
	assert_true(clock_boot_ms() - before < 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORKER_TEST(test_register),
		WORKER_TEST(test_isolation_is_limited),
		WORKER_TEST(test_register_is_refused),
		WORKER_TEST(test_result_and_lease_are_one_call),
		WORKER_TEST(test_results_gather),
		WORKER_TEST(test_short_jobs_are_fetched_ahead),
		WORKER_TEST(test_uncertain_call_names_what_is_held),
		WORKER_TEST(test_deadline),
		WORKER_TEST(test_lease_calls_renew_nothing),
		WORKER_TEST(test_a_late_grant_is_good),
		WORKER_TEST(test_stale_session),
		WORKER_TEST(test_cancels),
		WORKER_TEST(test_beat_says_stale),
		WORKER_TEST(test_start_fails),
		WORKER_TEST(test_spec_that_cannot_be_used),
		WORKER_TEST(test_beat_tells_what_has_not_begun),
		WORKER_TEST(test_unclean_is_told_and_takes_no_more),
		WORKER_TEST(test_stop_gives_back),
		WORKER_TEST(test_stop_without_server),
	};

	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
