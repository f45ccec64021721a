#include "worker_fixture.h"

#include <fcntl.h>
#include <pthread.h>

#include "base/fd.h"
#include "model/job.h"

struct fake_server server;
char work_dir[128], session[64];
static char address[128];
struct worker_options options;
static struct err end_error;
static int end_rc, control[2];
static pthread_t thread;

const char local_answer[] = "{\"worker\":1,\"lease_ms\":20000,\"beat_ms\":5000,"
			    "\"local\":{\"blobs\":\"/b\",\"logs\":\"/l\"}}";
const char remote_answer[] = "{\"worker\":1,\"lease_ms\":20000,\"beat_ms\":5000,\"local\":null}";

static void *serve(void *arg)
{
	end_error = ERR_INIT;
	end_rc = worker_serve(&options, &end_error);
	return NULL;
}

int worker_setup(void **state)
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

int worker_teardown(void **state)
{
	fd_remove_tree(AT_FDCWD, work_dir, NULL);
	fake_close(&server);
	fake_run_release();
	close(control[0]);
	return 0;
}

void begin_worker(void)
{
	assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
}

json_t *body(const struct fake_request *r)
{
	json_t *json = json_loadb(r->body, r->body_len, 0, NULL);

	assert_non_null(json);
	return json;
}

void note_session(const struct fake_request *r)
{
	json_t *json = body(r);

	snprintf(session, sizeof(session), "%s", json_string_value(json_object_get(json, "session")));
	json_decref(json);
}

void register_worker(const char *answer)
{
	for (int i = 0; i < 2; i++) {
		struct fake_request r = fake_take(&server, "/feed/register");

		note_session(&r);
		fake_answer(&r, 200, answer);
	}
}

void begin_local(void)
{
	begin_worker();
	register_worker(local_answer);
	fake_run_take(FAKE_OPENED);
}

void begin_remote(void)
{
	begin_worker();
	register_worker(remote_answer);
}

void begin_with_jobs(const char *answer, int64_t n)
{
	struct fake_request r;

	begin_worker();
	register_worker(answer);
	r = fake_take(&server, "/feed/lease");
	grant(&r, "", 1, n);
	for (int64_t job = 1; job <= n; job++)
		assert_int_equal(fake_run_take(FAKE_STARTED).job, job);
}

static void put_spec(struct buf *out, int64_t job, int attempt)
{
	buf_addf(out,
		 "{\"job\":%lld,\"attempt\":%d,\"isolation\":\"none\",\"steps\":[{\"argv\":[\"true\"]}]}",
		 (long long)job, attempt);
}

void grant(struct fake_request *r, const char *more, int64_t from, int64_t to)
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

int64_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

size_t length(const json_t *o, const char *key)
{
	return json_array_size(json_object_get(o, key));
}

void succeed(int64_t job)
{
	struct outcome o = {
		.job = job, .attempt = 1, .outcome = OUTCOME_SUCCEEDED, .step = "", .detail = ""
	};

	fake_run_finish(&o, NULL);
}

struct fake_request take_report(json_t **json)
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

void confirm(struct fake_request *r, const json_t *json)
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

void confirm_report(void)
{
	json_t *json;
	struct fake_request r = take_report(&json);

	confirm(&r, json);
	json_decref(json);
}

void confirm_result(int64_t job, const char *outcome, const char *reason)
{
	json_t *json;
	struct fake_request r = take_report(&json);
	const json_t *result = json_array_get(json_object_get(json, "results"), 0);

	assert_int_equal(number(result, "job"), job);
	assert_string_equal(json_string_value(json_object_get(result, "outcome")), outcome);
	if (reason)
		assert_string_equal(json_string_value(json_object_get(result, "reason")), reason);
	confirm(&r, json);
	json_decref(json);
}

void stop_worker(void)
{
	close(control[1]);
}

int join_worker(struct err *e)
{
	assert_int_equal(pthread_join(thread, NULL), 0);
	*e = end_error;
	return end_rc;
}

void end_worker(void)
{
	struct fake_request r;
	struct err e;

	stop_worker();
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
	assert_int_equal(join_worker(&e), 0);
}
