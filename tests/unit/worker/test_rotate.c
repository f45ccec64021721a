/* A worker's secret is replaced while calls are under way that carry the one before: that those are refused, as the server does
 * from the first call with the new one on, costs nothing. */
#include "worker/identity.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/hash.h"
#include "worker_fixture.h"

static const char local[] = "{\"worker\":1,\"lease_ms\":20000,\"beat_ms\":20,"
			    "\"local\":{\"blobs\":\"/b\",\"logs\":\"/l\"}}";
static const char remote[] = "{\"worker\":1,\"lease_ms\":20000,\"beat_ms\":20,\"local\":null}";
static const char refusal[] = "{\"error\":{\"code\":\"credential\",\"message\":\"not this one\"}}";

/* It has joined, and its secret is old. */
static void join(void)
{
	struct identity i;
	struct err e = ERR_INIT;

	assert_int_equal(identity_open(&i, work_dir, &e), 0);
	i.name = strdup(options.name);
	i.servers = strdup(options.server);
	memset(i.secret, 'a', HASH_HEX_BYTES - 1);
	i.is_joined = true;
	assert_int_equal(identity_save(&i, &e), 0);
	identity_release(&i);
	options.rotate_ms = 1;
}

static bool has_secret(const struct fake_request *r, const char *secret)
{
	char header[100];

	snprintf(header, sizeof(header), "\r\nAuthorization: Bearer %s\r\n", secret);
	return strstr(r->head, header) != NULL;
}

static bool has_first_secret(const struct fake_request *r)
{
	struct identity i = { .secret = "" };

	memset(i.secret, 'a', HASH_HEX_BYTES - 1);
	return has_secret(r, i.secret);
}

/* The one that is in its folder. */
static bool has_new_secret(const struct fake_request *r)
{
	struct identity i;
	struct err e = ERR_INIT;
	bool has;

	assert_int_equal(identity_open(&i, work_dir, &e), 0);
	has = has_secret(r, i.secret) && !has_first_secret(r);
	identity_release(&i);
	return has;
}

/* Answers beats until one has the new secret, those with the one before in this way. */
static void take_beats(int status, const char *answer)
{
	for (;;) {
		struct fake_request r = fake_take(&server, "/feed/beat");

		if (has_new_secret(&r)) {
			fake_answer(&r, 200, "{}");
			return;
		}
		fake_answer(&r, status, answer);
	}
}

static void accept_next(void)
{
	char hash[HASH_HEX_BYTES];
	struct fake_request r = fake_take(&server, "/feed/rotate");
	struct identity i;
	struct err e = ERR_INIT;
	json_t *json = body(&r);

	assert_true(has_first_secret(&r));
	assert_int_equal(identity_open(&i, work_dir, &e), 0);
	token_hash(i.next, hash);
	assert_string_equal(json_string_value(json_object_get(json, "hash")), hash);
	identity_release(&i);
	json_decref(json);
	fake_answer(&r, 200, "{}");
}

/* The next secret is taken, and a call with it is there: the one before is good no more. */
static void rotate(void)
{
	accept_next();
	take_beats(200, "{}");
}

/* What it runs goes on, and its result comes with the new secret. */
static void check_goes_on(void)
{
	struct fake_event ev;
	json_t *json;
	struct fake_request r;

	assert_false(fake_run_comes(FAKE_STOPPED, 0, &ev));
	succeed(1);
	r = take_report(&json);
	assert_true(has_new_secret(&r));
	confirm(&r, json);
	json_decref(json);
	end_worker();
}

static void test_lease(void **state)
{
	struct fake_request lease;
	json_t *json;

	join();
	begin_with_jobs(local, 1);
	lease = fake_take(&server, "/feed/lease");
	assert_true(has_first_secret(&lease));
	rotate();
	fake_answer(&lease, 401, refusal);
	lease = fake_take(&server, "/feed/lease");
	assert_true(has_new_secret(&lease));
	json = body(&lease);
	assert_int_equal(length(json, "holding"), 1);
	json_decref(json);
	fake_answer(&lease, 200, "{}");
	check_goes_on();
}

static void test_beat(void **state)
{
	struct fake_request beat;

	join();
	begin_with_jobs(local, 1);
	beat = fake_take(&server, "/feed/beat");
	assert_true(has_first_secret(&beat));
	accept_next();
	fake_answer(&beat, 401, refusal);
	take_beats(401, refusal);
	check_goes_on();
}

/* Job 2 has run. */
static void end_job_2(int64_t log_bytes, struct artifact *file, const int *fd)
{
	struct outcome o = { .job = 2,
			     .attempt = 1,
			     .outcome = OUTCOME_SUCCEEDED,
			     .step = "",
			     .detail = "",
			     .log_bytes = log_bytes,
			     .artifacts = file,
			     .artifacts_len = file ? 1 : 0 };

	fake_run_finish(&o, fd);
}

static void test_log(void **state)
{
	struct fake_request r;
	char path[300];

	join();
	begin_with_jobs(remote, 2);
	snprintf(path, sizeof(path), "%s/logs/2.1", work_dir);
	assert_int_equal(fd_replace_file(AT_FDCWD, path, "0123456789", 10, 0600, NULL), 0);
	end_job_2(10, NULL, NULL);
	r = fake_take(&server, "/feed/log");
	assert_true(has_first_secret(&r));
	rotate();
	fake_answer(&r, 401, refusal);
	r = fake_take(&server, "/feed/log");
	assert_true(has_new_secret(&r));
	assert_int_equal(r.body_len, 10);
	fake_answer(&r, 200, "{\"size\":10}");
	confirm_result(2, "succeeded", NULL);
	check_goes_on();
}

static void test_artifact(void **state)
{
	struct artifact file = { .name = "a", .size_bytes = 3 };
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct fake_request r;

	memset(file.sha256, 'a', 64);
	assert_int_equal(write(fd, "abc", 3), 3);
	join();
	begin_with_jobs(local, 2);
	end_job_2(0, &file, &fd);
	r = fake_take(&server, "/feed/artifact");
	assert_true(has_first_secret(&r));
	rotate();
	fake_answer(&r, 401, refusal);
	r = fake_take(&server, "/feed/artifact");
	assert_true(has_new_secret(&r));
	fake_answer(&r, 200, "{\"size\":3,\"whole\":true}");
	confirm_result(2, "succeeded", NULL);
	check_goes_on();
}

static void test_blob(void **state)
{
	static const char bytes[] = "input";
	CLEAN_BUF struct buf specs = BUF_INIT;
	char sha[HASH_HEX_BYTES];
	struct fake_request r;

	hash_bytes(bytes, strlen(bytes), sha);
	buf_addf(
		&specs,
		"{\"specs\":[{\"job\":1,\"attempt\":1,\"isolation\":\"none\",\"steps\":[{\"argv\":[\"true\"]}],"
		"\"inputs\":[{\"name\":\"a\",\"sha256\":\"%s\",\"size\":5,\"mode\":\"0644\"}]}]}",
		sha);
	join();
	begin_worker();
	register_worker(remote);
	r = fake_take(&server, "/feed/lease");
	fake_answer(&r, 200, specs.data);
	r = fake_take(&server, "/feed/blob/");
	assert_true(has_first_secret(&r));
	rotate();
	fake_answer(&r, 401, refusal);
	r = fake_take(&server, "/feed/blob/");
	assert_true(has_new_secret(&r));
	fake_answer_with(&r, 200, "", bytes, strlen(bytes));
	fake_run_take(FAKE_STARTED);
	check_goes_on();
}

/* One that has the new secret and is refused nevertheless is not let in any more. */
static void test_refused_with_the_new_one(void **state)
{
	struct fake_request r;
	struct err e;

	join();
	begin_with_jobs(local, 1);
	r = fake_take(&server, "/feed/lease");
	rotate();
	fake_answer(&r, 401, refusal);
	r = fake_take(&server, "/feed/lease");
	assert_true(has_new_secret(&r));
	fake_answer(&r, 401, refusal);
	assert_int_equal(join_worker(&e), -1);
	assert_int_equal(e.code, ERR_CREDENTIAL);
	assert_non_null(strstr(e.text, "does not take worker w1's credential any more"));
	stop_worker();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORKER_TEST(test_lease), WORKER_TEST(test_beat),
		WORKER_TEST(test_log),	 WORKER_TEST(test_artifact),
		WORKER_TEST(test_blob),	 WORKER_TEST(test_refused_with_the_new_one),
	};

	return cmocka_run_group_tests_name("rotate", tests, NULL, NULL);
}
