/* The worker between a server and a runner that the test plays: what it says, in which order, and what it does when
 * answers do not come. */
#include "worker/worker.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/hash.h"
#include "fake_run.h"
#include "fake_server.h"
#include "run/run.h"

static struct fake_server server;
static char address[128], work_dir[128];
static struct worker_options options;
static int control[2];
static pthread_t thread;
static struct err end_error;
static int end_rc;

static void *serve(void *arg)
{
	end_error = ERR_INIT;
	end_rc = worker_serve(&options, &end_error);
	return NULL;
}

static int setup(void **state)
{
	fake_open(&server);
	fake_run_reset();
	snprintf(address, sizeof(address), "unix:%s", server.path);
	snprintf(work_dir, sizeof(work_dir), "%s/work", server.folder);
	assert_int_equal(pipe2(control, O_CLOEXEC), 0);
	options = (struct worker_options){
		.server = address,
		.name = "w1",
		.work_dir = work_dir,
		.slots = 2,
		.control_fd = control[0],
		.cache_bytes = -1,
	};
	return 0;
}

static int teardown(void **state)
{
	fd_remove_tree(AT_FDCWD, work_dir, NULL);
	fake_close(&server);
	fake_run_release();
	close(control[0]);
	return 0;
}

static void begin(void)
{
	assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
}

static json_t *body(const struct fake_request *r)
{
	json_t *json = json_loadb(r->body, r->body_len, 0, NULL);

	assert_non_null(json);
	return json;
}

/* Everything but the lease call that waits, which the next one of its sort replaces. */
static char session[64];

static void note_session(const struct fake_request *r)
{
	json_t *json = body(r);

	snprintf(session, sizeof(session), "%s", json_string_value(json_object_get(json, "session")));
	json_decref(json);
}

static void register_worker(const char *answer)
{
	for (int i = 0; i < 2; i++) {
		struct fake_request r = fake_take(&server, "/feed/register");

		note_session(&r);
		fake_answer(&r, 200, answer);
	}
}

static const char local_answer[] = "{\"worker\":1,\"lease_ms\":20000,\"beat_ms\":5000,"
				   "\"local\":{\"blobs\":\"/b\",\"logs\":\"/l\"}}";
static const char remote_answer[] = "{\"worker\":1,\"lease_ms\":20000,\"beat_ms\":5000,\"local\":null}";

static void begin_local(void)
{
	begin();
	register_worker(local_answer);
	fake_run_take(FAKE_OPENED);
}

static void put_spec(struct buf *out, int64_t job, int attempt)
{
	buf_addf(out,
		 "{\"job\":%lld,\"attempt\":%d,\"isolation\":\"none\",\"steps\":[{\"argv\":[\"true\"]}]}",
		 (long long)job, attempt);
}

/* An answer with specs of the jobs from … to, and with `more` fields before them. */
static void grant(struct fake_request *r, const char *more, int64_t from, int64_t to)
{
	CLEAN_BUF struct buf out = BUF_INIT;

	buf_addf(&out, "{%s\"specs\":[", more);
	for (int64_t id = from; id <= to; id++) {
		if (id > from)
			buf_addc(&out, ',');
		put_spec(&out, id, 1);
	}
	buf_adds(&out, "]}");
	fake_answer(r, 200, out.data);
}

static int64_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static size_t length(const json_t *o, const char *key)
{
	return json_array_size(json_object_get(o, key));
}

static void succeed(int64_t job)
{
	struct outcome o = {
		.job = job, .attempt = 1, .outcome = OUTCOME_SUCCEEDED, .step = "", .detail = ""
	};

	fake_run_finish(&o, NULL);
}

/* The next lease call that brings results. One without them is answered when a newer one comes, or at once if it is
 * not to wait. */
static struct fake_request take_report(json_t **json)
{
	struct fake_request waiting = { 0 };

	for (;;) {
		struct fake_request r = fake_take(&server, "/feed/lease");
		bool is_waiting;

		if (waiting.connection)
			fake_answer(&waiting, 200, "{}");
		waiting.connection = NULL;
		*json = body(&r);
		if (length(*json, "results"))
			return r;
		is_waiting = number(*json, "wait_ms") > 0;
		json_decref(*json);
		if (is_waiting)
			waiting = r;
		else
			fake_answer(&r, 200, "{}");
	}
}

static void confirm(struct fake_request *r, const json_t *json)
{
	CLEAN_BUF struct buf out = BUF_INIT;
	const json_t *results = json_object_get(json, "results");
	const json_t *item;
	size_t i;

	buf_adds(&out, "{\"results\":[");
	json_array_foreach (results, i, item)
		buf_addf(&out, "%s{\"job\":%lld,\"attempt\":%lld,\"ok\":true}", i ? "," : "",
			 (long long)number(item, "job"), (long long)number(item, "attempt"));
	buf_adds(&out, "]}");
	fake_answer(r, 200, out.data);
}

/* Ask it to stop and play along: every result is right, then it leaves. */
static void end(void)
{
	struct fake_request r;

	close(control[1]);
	for (;;) {
		if (fake_comes(&server, "/feed/leave", 0, &r)) {
			fake_answer(&r, 200, "{}");
			break;
		}
		if (fake_comes(&server, "/feed/lease", 5, &r)) {
			json_t *json = body(&r);

			confirm(&r, json);
			json_decref(json);
		}
		struct fake_event ev;

		if (fake_run_comes(FAKE_STOPPED, 0, &ev)) {
			struct outcome o = { .job = ev.job,
					     .attempt = ev.attempt,
					     .outcome = OUTCOME_RELEASED,
					     .step = "",
					     .detail = "",
					     .exit_code = -1 };

			assert_int_equal(ev.how, RUN_STOP_RELEASE);
			fake_run_finish(&o, NULL);
		}
	}
	pthread_join(thread, NULL);
	assert_int_equal(end_rc, 0);
}

/* ---- tests -------------------------------------------------------------------------------------------------- */

static void test_register(void **state)
{
	const char *tags[] = { "big", "ssd" };
	struct fake_request r;
	struct fake_event ev;
	json_t *json;

	options.tags = tags;
	options.tags_len = 2;
	begin();
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
	assert_int_equal(length(json, "tags"), 2);
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
	end();
}

static void test_isolation_is_limited(void **state)
{
	struct fake_request r;
	json_t *json;

	options.isolations = 1u << ISOLATION_CHROOT;
	begin();
	r = fake_take(&server, "/feed/register");
	fake_answer(&r, 200, local_answer);
	r = fake_take(&server, "/feed/register");
	json = body(&r);
	assert_int_equal(length(json, "isolations"), 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(json, "isolations"), 0)),
			    "chroot");
	json_decref(json);
	fake_answer(&r, 200, local_answer);
	end();
}

static void test_register_is_refused(void **state)
{
	struct fake_request r;

	begin();
	r = fake_take(&server, "/feed/register");
	fake_answer(&r, 403, "{\"error\":{\"code\":\"denied\",\"message\":\"not you\"}}");
	pthread_join(thread, NULL);
	assert_int_equal(end_rc, -1);
	assert_int_equal(end_error.code, ERR_DENIED);
	close(control[1]);
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
	end();
}

/* Results that come while others are on their way go together with the next call. */
static void test_results_gather(void **state)
{
	struct fake_request r;
	json_t *json, *next;

	options.slots = 4;
	begin_local();
	r = fake_take(&server, "/feed/lease");
	grant(&r, "", 1, 4);
	for (int i = 0; i < 4; i++)
		fake_run_take(FAKE_STARTED);
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
	end();
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
	end();
}

static void test_uncertain_call_names_what_is_held(void **state)
{
	struct fake_request r;
	json_t *json;

	begin_local();
	r = fake_take(&server, "/feed/lease");
	grant(&r, "", 1, 2);
	fake_run_take(FAKE_STARTED);
	fake_run_take(FAKE_STARTED);
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
	end();
}

/* Told before the lease is over, and killed here when no answer came until then. */
static void test_deadline(void **state)
{
	struct fake_request lease, beat;
	struct fake_event ev;
	int64_t before, told = 0;
	json_t *json;

	begin();
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
	end();
}

static void test_stale_session(void **state)
{
	char before[64];
	struct fake_request r;
	struct fake_event ev;

	begin_local();
	r = fake_take(&server, "/feed/lease");
	grant(&r, "", 1, 1);
	fake_run_take(FAKE_STARTED);
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
	end();
}

static void test_cancels(void **state)
{
	struct fake_request r;
	struct fake_event ev;
	json_t *json, *result;

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
	r = take_report(&json);
	result = json_array_get(json_object_get(json, "results"), 0);
	assert_int_equal(number(result, "job"), 2);
	assert_string_equal(json_string_value(json_object_get(result, "outcome")), "cancelled");
	confirm(&r, json);
	json_decref(json);
	end();
}

static void test_beat_says_stale(void **state)
{
	struct fake_request r;
	struct fake_event ev;

	begin();
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
	end();
}

static void test_start_fails(void **state)
{
	struct fake_request r;
	json_t *json, *result;

	fake_run_refuses = true;
	begin_local();
	r = fake_take(&server, "/feed/lease");
	grant(&r, "", 1, 1);
	r = take_report(&json);
	result = json_array_get(json_object_get(json, "results"), 0);
	assert_string_equal(json_string_value(json_object_get(result, "reason")), "internal");
	confirm(&r, json);
	json_decref(json);
	end();
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
	end();
}

static void test_beat_tells_what_has_not_begun(void **state)
{
	struct fake_request r;
	json_t *json;

	options.slots = 1;
	begin();
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
	end();
}

/* c.3, CLEAN must be clean: it says so itself and takes no more. */
static void test_unclean_is_told_and_takes_no_more(void **state)
{
	struct fake_request r;
	json_t *json, *unclean;

	options.slots = 2;
	begin_local();
	r = fake_take(&server, "/feed/lease");
	grant(&r, "", 1, 1);
	fake_run_take(FAKE_STARTED);
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
	end();
}

/* ---- on another machine ------------------------------------------------------------------------------------- */

static void test_blobs_are_fetched(void **state)
{
	static const char content[] = "input";
	CLEAN_BUF struct buf out = BUF_INIT;
	struct fake_request r;
	struct fake_event ev;
	char sha[HASH_HEX_BYTES], path[300];
	struct stat st;

	hash_bytes(content, strlen(content), sha);
	begin();
	register_worker(remote_answer);
	r = fake_take(&server, "/feed/lease");
	/* Two jobs that need the same: it is fetched once. */
	buf_adds(&out, "{\"specs\":[");
	for (int i = 1; i <= 2; i++)
		buf_addf(
			&out,
			"%s{\"job\":%d,\"attempt\":1,\"isolation\":\"none\",\"steps\":[{\"argv\":[\"true\"]}],"
			"\"inputs\":[{\"name\":\"a\",\"sha256\":\"%s\",\"size\":5,\"mode\":\"0644\"}]}",
			i > 1 ? "," : "", i, sha);
	buf_adds(&out, "]}");
	fake_answer(&r, 200, out.data);
	r = fake_take(&server, "/feed/blob/");
	assert_true(strcmp(r.path + 11, sha) == 0);
	assert_false(fake_run_comes(FAKE_STARTED, 30, &ev));
	/* Damaged on the way: asked for again. */
	fake_answer_with(&r, 200, "", "inpux", 5);
	r = fake_take(&server, "/feed/blob/");
	fake_answer_with(&r, 200, "", content, 5);
	fake_run_take(FAKE_STARTED);
	fake_run_take(FAKE_STARTED);
	assert_false(fake_comes(&server, "/feed/blob/", 0, &r));
	snprintf(path, sizeof(path), "%s/blobs/%s", work_dir, sha);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0444);
	end();
}

static const char content[] = "content";

static void grant_input(struct fake_request *r, int64_t job, const char *bytes)
{
	CLEAN_BUF struct buf out = BUF_INIT;
	char sha[HASH_HEX_BYTES];

	hash_bytes(bytes, strlen(bytes), sha);
	buf_addf(
		&out,
		"{\"specs\":[{\"job\":%lld,\"attempt\":1,\"isolation\":\"none\",\"steps\":[{\"argv\":[\"true\"]}],"
		"\"inputs\":[{\"name\":\"a\",\"sha256\":\"%s\",\"size\":%zu,\"mode\":\"0644\"}]}]}",
		(long long)job, sha, strlen(bytes));
	fake_answer(r, 200, out.data);
}

static void begin_remote(void)
{
	begin();
	register_worker(remote_answer);
}

static void blob_file(const char *bytes, const char *suffix, char path[300])
{
	char sha[HASH_HEX_BYTES];

	hash_bytes(bytes, strlen(bytes), sha);
	snprintf(path, 300, "%s/blobs/%s%s", work_dir, sha, suffix);
}

static void write_blob(const char *named, const char *suffix, const char *bytes)
{
	char path[300], folder[300];
	struct err e = ERR_INIT;

	snprintf(folder, sizeof(folder), "%s/blobs", work_dir);
	blob_file(named, suffix, path);
	assert_int_equal(fd_mkdirs(folder, 0700, &e), 0);
	assert_int_equal(fd_replace_file(AT_FDCWD, path, bytes, strlen(bytes), 0600, &e), 0);
}

static bool blob_is_here(const char *named)
{
	char path[300];

	blob_file(named, "", path);
	return access(path, R_OK) == 0;
}

/* The head of an answer, with this much of its body; then the line breaks. */
static void answer_in_part(struct fake_request *r, int status, size_t from, size_t to)
{
	CLEAN_BUF struct buf out = BUF_INIT;
	size_t len = strlen(content);

	buf_addf(&out, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nContent-Range: bytes %zu-%zu/%zu\r\n\r\n",
		 status, len - from, from, len - 1, len);
	buf_add(&out, content + from, to - from);
	assert_int_equal(send(r->connection->fd, out.data, out.len, MSG_NOSIGNAL), (ssize_t)out.len);
	if (to < len) {
		fake_hang_up(r->connection);
		return;
	}
	buf_drop(&r->connection->in, r->connection->request_len);
	r->connection->is_taken = false;
}

/* Cut after every byte: each call asks for what is missing, and more cuts than any number of faults are borne with. */
static void test_fetch_is_resumed(void **state)
{
	struct fake_request r;
	char range[40];

	begin_remote();
	r = fake_take(&server, "/feed/lease");
	grant_input(&r, 1, content);
	for (size_t at = 0; at < strlen(content); at++) {
		r = fake_take(&server, "/feed/blob/");
		snprintf(range, sizeof(range), "\r\nRange: bytes=%zu-\r\n", at);
		assert_true((strstr(r.head, range) != NULL) == (at > 0));
		assert_true((strstr(r.head, "\r\nRange:") != NULL) == (at > 0));
		answer_in_part(&r, at ? 206 : 200, at, at + 1);
	}
	fake_run_take(FAKE_STARTED);
	assert_true(blob_is_here(content));
	end();
}

/* All of it has come, and the end of the call was lost: there is nothing more. */
static void test_fetch_is_complete(void **state)
{
	struct fake_request r;

	write_blob(content, ".part", content);
	begin_remote();
	r = fake_take(&server, "/feed/lease");
	grant_input(&r, 1, content);
	r = fake_take(&server, "/feed/blob/");
	assert_non_null(strstr(r.head, "\r\nRange: bytes=7-\r\n"));
	fake_answer_with(&r, 416, "Content-Range: bytes */7\r\n", "", 0);
	fake_run_take(FAKE_STARTED);
	assert_true(blob_is_here(content));
	end();
}

/* A part from before a restart: gone on with if it is one, and begun anew if it is not. */
static void test_part_is_resumed_after_a_restart(void **state)
{
	struct fake_request r;

	write_blob(content, ".part", "cXnt");
	begin_remote();
	r = fake_take(&server, "/feed/lease");
	grant_input(&r, 1, content);
	r = fake_take(&server, "/feed/blob/");
	assert_non_null(strstr(r.head, "\r\nRange: bytes=4-\r\n"));
	answer_in_part(&r, 206, 4, strlen(content));
	r = fake_take(&server, "/feed/blob/");
	assert_null(strstr(r.head, "\r\nRange:"));
	answer_in_part(&r, 200, 0, 3);
	r = fake_take(&server, "/feed/blob/");
	assert_non_null(strstr(r.head, "\r\nRange: bytes=3-\r\n"));
	/* One that knows no ranges. */
	fake_answer_with(&r, 200, "", content, strlen(content));
	r = fake_take(&server, "/feed/blob/");
	assert_null(strstr(r.head, "\r\nRange:"));
	answer_in_part(&r, 200, 0, strlen(content));
	fake_run_take(FAKE_STARTED);
	end();
}

static void finish_and_confirm(int64_t job)
{
	struct fake_request r;
	json_t *json;

	succeed(job);
	r = take_report(&json);
	confirm(&r, json);
	json_decref(json);
}

/* What was fetched before a restart is used again if it is still what it was, and fetched again if it is not; the same
 * for a file that changes later. */
static void test_cached_blobs_are_checked(void **state)
{
	struct fake_request r;

	write_blob("one", "", "one");
	write_blob(content, "", "conTent");
	begin_remote();
	r = fake_take(&server, "/feed/lease");
	grant_input(&r, 1, "one");
	fake_run_take(FAKE_STARTED);
	finish_and_confirm(1);
	r = fake_take(&server, "/feed/lease");
	grant_input(&r, 2, content);
	r = fake_take(&server, "/feed/blob/");
	answer_in_part(&r, 200, 0, strlen(content));
	fake_run_take(FAKE_STARTED);
	finish_and_confirm(2);
	/* Cut short behind its back. */
	write_blob(content, "", "conte");
	r = fake_take(&server, "/feed/lease");
	grant_input(&r, 3, content);
	r = fake_take(&server, "/feed/blob/");
	answer_in_part(&r, 200, 0, strlen(content));
	fake_run_take(FAKE_STARTED);
	finish_and_confirm(3);
	end();
}

/* The one that was used last stays, and what a held attempt needs stays even beyond the bound. */
static void test_cache_is_bounded(void **state)
{
	struct fake_request r;

	options.cache_bytes = 10;
	write_blob("12345", "", "12345");
	write_blob("abcde", "", "abcde");
	begin_remote();
	r = fake_take(&server, "/feed/lease");
	assert_true(blob_is_here("12345") && blob_is_here("abcde"));
	grant_input(&r, 1, "12345");
	fake_run_take(FAKE_STARTED);
	finish_and_confirm(1);
	r = fake_take(&server, "/feed/lease");
	grant_input(&r, 2, content);
	r = fake_take(&server, "/feed/blob/");
	answer_in_part(&r, 200, 0, strlen(content));
	fake_run_take(FAKE_STARTED);
	assert_true(blob_is_here(content));
	assert_false(blob_is_here("abcde"));
	assert_false(blob_is_here("12345"));
	finish_and_confirm(2);
	r = fake_take(&server, "/feed/lease");
	assert_true(blob_is_here(content));
	end();
	options.cache_bytes = -1;
}

/* With too little room nothing is asked for, and the server is told. */
static void test_full_disk_takes_nothing(void **state)
{
	struct fake_request r;
	json_t *json;
	const json_t *status;

	options.min_free_bytes = INT64_MAX / 2;
	write_blob("12345", "", "12345");
	begin_remote();
	r = fake_take(&server, "/feed/lease");
	json = body(&r);
	assert_int_equal(number(json, "free"), 0);
	status = json_object_get(json, "status");
	assert_true(json_is_true(json_object_get(status, "disk_low")));
	assert_true(number(status, "disk_free") > 0);
	json_decref(json);
	/* The cache has given what it had. */
	assert_false(blob_is_here("12345"));
	end();
	options.min_free_bytes = 0;
}

static void test_blob_is_missing(void **state)
{
	CLEAN_BUF struct buf out = BUF_INIT;
	struct fake_request r;
	json_t *json, *result;

	begin();
	register_worker(remote_answer);
	r = fake_take(&server, "/feed/lease");
	buf_adds(
		&out,
		"{\"specs\":[{\"job\":1,\"attempt\":1,\"isolation\":\"none\",\"steps\":[{\"argv\":[\"true\"]}],"
		"\"inputs\":[{\"name\":\"a\",\"sha256\":\"");
	for (int i = 0; i < 64; i++)
		buf_addc(&out, 'a');
	buf_adds(&out, "\",\"size\":5,\"mode\":\"0644\"}]}]}");
	fake_answer(&r, 200, out.data);
	r = fake_take(&server, "/feed/blob/");
	fake_answer(&r, 404, "{\"error\":{\"code\":\"not_found\",\"message\":\"no such blob\"}}");
	r = take_report(&json);
	result = json_array_get(json_object_get(json, "results"), 0);
	assert_string_equal(json_string_value(json_object_get(result, "outcome")), "failed");
	assert_string_equal(json_string_value(json_object_get(result, "reason")), "input");
	confirm(&r, json);
	json_decref(json);
	end();
}

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

	begin();
	register_worker(remote_answer);
	lease = fake_take(&server, "/feed/lease");
	grant(&lease, "", 1, 1);
	fake_run_take(FAKE_STARTED);
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
	end();
}

static void test_local_log_is_told(void **state)
{
	struct fake_request r, lease;

	begin_local();
	lease = fake_take(&server, "/feed/lease");
	grant(&lease, "", 1, 1);
	fake_run_take(FAKE_STARTED);
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
	end();
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

	begin_local();
	lease = fake_take(&server, "/feed/lease");
	grant(&lease, "", 1, 1);
	fake_run_take(FAKE_STARTED);
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
	end();
	assert_int_equal(fcntl(file_fds[0], F_GETFD), -1);
}

/* The line breaks in an upload: what is there is asked for, and only the rest is sent. */
static void test_artifact_is_resumed(void **state)
{
	struct outcome o;
	struct fake_request r, lease;
	json_t *json;

	begin_local();
	lease = fake_take(&server, "/feed/lease");
	grant(&lease, "", 1, 1);
	fake_run_take(FAKE_STARTED);
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
	lease = take_report(&json);
	confirm(&lease, json);
	json_decref(json);
	end();
}

static void test_artifact_is_refused(void **state)
{
	struct outcome o;
	struct fake_request r, lease;
	json_t *json;

	begin_local();
	lease = fake_take(&server, "/feed/lease");
	grant(&lease, "", 1, 1);
	fake_run_take(FAKE_STARTED);
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
	end();
	assert_int_equal(fcntl(file_fds[0], F_GETFD), -1);
	assert_int_equal(fcntl(file_fds[1], F_GETFD), -1);
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

static void test_stop_gives_back(void **state)
{
	struct fake_request r, leave;
	struct fake_event ev;
	json_t *json;

	options.slots = 1;
	begin_local();
	r = fake_take(&server, "/feed/lease");
	grant(&r, "", 1, 2);
	fake_run_take(FAKE_STARTED);
	close(control[1]);
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
	pthread_join(thread, NULL);
	assert_int_equal(end_rc, 0);
}

/* When the server is dead there is nobody to wait for. */
static void test_stop_without_server(void **state)
{
	struct fake_request r;
	int64_t before;

	begin_local();
	r = fake_take(&server, "/feed/lease");
	grant(&r, "", 1, 1);
	fake_run_take(FAKE_STARTED);
	r = fake_take(&server, "/feed/lease");
	fake_die(&server);
	before = clock_boot_ms();
	close(control[1]);
	fake_run_take(FAKE_CLOSED);
	pthread_join(thread, NULL);
	assert_int_equal(end_rc, 0);
	assert_true(clock_boot_ms() - before < 10000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_register),
		TEST(test_isolation_is_limited),
		TEST(test_register_is_refused),
		TEST(test_result_and_lease_are_one_call),
		TEST(test_results_gather),
		TEST(test_short_jobs_are_fetched_ahead),
		TEST(test_uncertain_call_names_what_is_held),
		TEST(test_deadline),
		TEST(test_stale_session),
		TEST(test_cancels),
		TEST(test_beat_says_stale),
		TEST(test_spec_that_cannot_be_used),
		TEST(test_beat_tells_what_has_not_begun),
		TEST(test_unclean_is_told_and_takes_no_more),
		TEST(test_start_fails),
		TEST(test_blobs_are_fetched),
		TEST(test_fetch_is_resumed),
		TEST(test_fetch_is_complete),
		TEST(test_part_is_resumed_after_a_restart),
		TEST(test_cached_blobs_are_checked),
		TEST(test_cache_is_bounded),
		TEST(test_full_disk_takes_nothing),
		TEST(test_blob_is_missing),
		TEST(test_log_is_uploaded),
		TEST(test_local_log_is_told),
		TEST(test_artifacts),
		TEST(test_artifact_is_resumed),
		TEST(test_artifact_is_refused),
		TEST(test_stop_gives_back),
		TEST(test_stop_without_server),
	};

	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
