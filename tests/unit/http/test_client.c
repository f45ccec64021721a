/* The client against a server that a test plays: in a thread for the blocking calls, by hand for the events. */
#include "http/client.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include "base/err.h"
#include "fake_server.h"

static struct fake_server server;
static char address[128];

static int setup(void **state)
{
	fake_open(&server);
	snprintf(address, sizeof(address), "unix:%s", server.path);
	return 0;
}

static int teardown(void **state)
{
	fake_close(&server);
	return 0;
}

/* ---- blocking ----------------------------------------------------------------------------------------------- */

struct script {
	int status;
	const char *body;
	int times;
	char seen[1000];
	char seen_head[2000];
	bool drop_second; /* close instead of the second answer */
};

static void *play(void *arg)
{
	struct script *s = arg;

	for (int i = 0; i < s->times; i++) {
		struct fake_request r = fake_take(&server, "/");

		snprintf(s->seen, sizeof(s->seen), "%s %s %.*s", r.method, r.path, (int)r.body_len, r.body);
		snprintf(s->seen_head, sizeof(s->seen_head), "%.*s", (int)(r.body - r.head), r.head);
		if (i == 1 && s->drop_second)
			fake_hang_up(r.connection);
		else
			fake_answer_with(&r, s->status, "Slipway-Attempt: 3\r\n", s->body, strlen(s->body));
	}
	return NULL;
}

static pthread_t begin(struct script *s)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, play, s), 0);
	return thread;
}

static struct client *open_client(void)
{
	struct err e = ERR_INIT;
	struct client *c;

	assert_int_equal(client_open(&c, address, &e), 0);
	return c;
}

static void test_call(void **state)
{
	struct script s = { .status = 200, .body = "{\"id\":7}", .times = 2 };
	pthread_t thread = begin(&s);
	struct client *c = open_client();
	CLEAN_REPLY struct client_reply r = CLIENT_REPLY_INIT;
	struct err e = ERR_INIT;
	char value[32];

	assert_int_equal(client_set_header(c, "X-One", "a", &e), 0);
	assert_int_equal(client_set_header(c, "X-One", "b", &e), 0);
	assert_int_equal(client_call(c, "GET", "/v1/status", NULL, &r, &e), 0);
	assert_int_equal(client_call(c, "POST", "/v1/jobs", "{\"argv\":[]}", &r, &e), 0);
	pthread_join(thread, NULL);
	assert_int_equal(r.status, 200);
	assert_string_equal(r.body.data, "{\"id\":7}");
	assert_string_equal(s.seen, "POST /v1/jobs {\"argv\":[]}");
	assert_non_null(strstr(s.seen_head, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(s.seen_head, "X-One: b\r\n"));
	assert_null(strstr(s.seen_head, "X-One: a\r\n"));
	assert_null(strstr(s.seen_head, "Expect"));
	assert_true(client_reply_header(&r, "slipway-attempt", value, sizeof(value)));
	assert_string_equal(value, "3");
	assert_false(client_reply_header(&r, "slipway", value, sizeof(value)));
	/* Both calls took one connection. */
	assert_int_equal(server.accepted, 1);
	client_free(c);
}

static void test_refusal(void **state)
{
	struct script s = {
		.status = 404,
		.times = 1,
		.body = "{\"error\":{\"code\":\"not_found\",\"message\":\"job 7 does not exist\"}}"
	};
	pthread_t thread = begin(&s);
	struct client *c = open_client();
	CLEAN_REPLY struct client_reply r = CLIENT_REPLY_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(client_call(c, "GET", "/v1/jobs/7", NULL, &r, &e), -1);
	pthread_join(thread, NULL);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_string_equal(e.text, "job 7 does not exist");
	assert_int_equal(r.status, 404);
	client_free(c);
}

static void test_no_server(void **state)
{
	struct client *c = open_client();
	CLEAN_REPLY struct client_reply r = CLIENT_REPLY_INIT;
	struct err e = ERR_INIT;

	fake_die(&server);
	assert_int_equal(client_call(c, "GET", "/v1/status", NULL, &r, &e), -1);
	assert_int_equal(e.code, ERR_UNREACHABLE);
	assert_non_null(strstr(e.text, server.path));
	assert_non_null(strstr(e.text, "slipway serve"));
	assert_int_equal(r.status, 0);
	client_free(c);
}

/* A POST may have been done before the connection broke: it must not go out twice. */
static void test_post_is_sent_once(void **state)
{
	struct script s = { .status = 200, .body = "{}", .times = 2, .drop_second = true };
	pthread_t thread = begin(&s);
	struct client *c = open_client();
	CLEAN_REPLY struct client_reply r = CLIENT_REPLY_INIT;
	struct err e = ERR_INIT;
	struct fake_request again;

	assert_int_equal(client_call(c, "POST", "/v1/jobs", "{}", &r, &e), 0);
	assert_int_equal(client_call(c, "POST", "/v1/jobs", "{}", &r, &e), -1);
	pthread_join(thread, NULL);
	assert_int_equal(e.code, ERR_UNREACHABLE);
	assert_non_null(strstr(e.text, "not known"));
	assert_false(fake_comes(&server, "/", 20, &again));
	client_free(c);
}

static void test_get_is_sent_again(void **state)
{
	struct script s = { .status = 200, .body = "{}", .times = 3, .drop_second = true };
	pthread_t thread = begin(&s);
	struct client *c = open_client();
	CLEAN_REPLY struct client_reply r = CLIENT_REPLY_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(client_call(c, "GET", "/a", NULL, &r, &e), 0);
	assert_int_equal(client_call(c, "GET", "/b", NULL, &r, &e), 0);
	pthread_join(thread, NULL);
	assert_int_equal(server.accepted, 2);
	client_free(c);
}

static int memory_file(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

static void test_file_up(void **state)
{
	struct script s = { .status = 201, .body = "", .times = 1 };
	pthread_t thread = begin(&s);
	struct client *c = open_client();
	CLEAN_REPLY struct client_reply r = CLIENT_REPLY_INIT;
	struct err e = ERR_INIT;
	int fd = memory_file("0123456789");
	struct client_file file = { .fd = fd, .offset = 2, .size_bytes = 5 };
	struct client_request q = { .method = "PUT", .path = "/v1/blobs/x", .file = &file };

	assert_int_equal(client_do(c, &q, &r, &e), 0);
	pthread_join(thread, NULL);
	assert_int_equal(r.status, 201);
	assert_string_equal(s.seen, "PUT /v1/blobs/x 23456");
	assert_non_null(strstr(s.seen_head, "application/octet-stream"));
	close(fd);
	client_free(c);
}

static void test_file_down(void **state)
{
	struct script s = { .status = 200, .body = "some bytes", .times = 1 };
	pthread_t thread = begin(&s);
	struct client *c = open_client();
	CLEAN_REPLY struct client_reply r = CLIENT_REPLY_INIT;
	struct err e = ERR_INIT;
	int fd = memory_file("");
	char got[32] = "";
	struct client_request q = { .method = "GET", .path = "/x", .sink = client_sink_fd, .sink_ctx = &fd };

	assert_int_equal(client_do(c, &q, &r, &e), 0);
	pthread_join(thread, NULL);
	assert_int_equal(pread(fd, got, sizeof(got) - 1, 0), 10);
	assert_string_equal(got, "some bytes");
	assert_int_equal(r.body.len, 0);
	close(fd);
	client_free(c);
}

static void test_reply_limit(void **state)
{
	struct script s = { .status = 200, .body = "0123456789", .times = 1 };
	pthread_t thread = begin(&s);
	struct client *c = open_client();
	CLEAN_REPLY struct client_reply r = CLIENT_REPLY_INIT;
	struct err e = ERR_INIT;
	struct client_request q = { .method = "GET", .path = "/x", .reply_limit = 9 };

	assert_int_equal(client_do(c, &q, &r, &e), -1);
	pthread_join(thread, NULL);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	client_free(c);
}

static void test_addresses(void **state)
{
	char long_path[200];
	struct err e = ERR_INIT;
	struct client *c;

	static const char *const slips[] = { "https://", "https://user@example.org",
					     "https://example.org/path" };

	for (size_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++) {
		assert_int_equal(client_open(&c, slips[i], &e), -1);
		assert_int_equal(e.code, ERR_USAGE);
	}
	assert_int_equal(client_open(&c, "https://example.org:7433/,unix:/x", &e), 0);
	assert_string_equal(client_server(c), "https://example.org:7433");
	assert_true(client_is_remote(c));
	client_free(c);
	assert_int_equal(client_open(&c, "example.org", &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	assert_int_equal(client_open(&c, "unix:", &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	memset(long_path, 'a', sizeof(long_path));
	memcpy(long_path, "unix:/", 6);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(client_open(&c, long_path, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	assert_null(c);
}

static void test_several_addresses(void **state)
{
	struct err e = ERR_INIT;
	struct client *c;

	assert_int_equal(client_open(&c, "unix:/a b,c, unix:/d\tunix:/e,", &e), 0);
	assert_int_equal(client_servers(c), 3);
	assert_string_equal(client_server(c), "unix:/a b,c");
	client_next(c);
	assert_string_equal(client_server(c), "unix:/d");
	client_next(c);
	assert_string_equal(client_server(c), "unix:/e");
	client_next(c);
	assert_string_equal(client_server(c), "unix:/a b,c");
	client_free(c);
	assert_int_equal(client_open(&c, "unix:/a,unix:", &e), -1);
}

/* The first that answers is asked, and from then on. */
static void test_the_next_is_asked(void **state)
{
	struct script s = { .status = 200, .body = "{}", .times = 2 };
	struct err e = ERR_INIT;
	struct client_reply r = CLIENT_REPLY_INIT;
	struct client *c;
	pthread_t thread = begin(&s);
	char list[300];

	snprintf(list, sizeof(list), "unix:/nowhere/1,%s,unix:/nowhere/2", address);
	assert_int_equal(client_open(&c, list, &e), 0);
	assert_int_equal(client_call(c, "POST", "/x", "{}", &r, &e), 0);
	assert_string_equal(client_server(c), address);
	assert_int_equal(client_call(c, "POST", "/x", "{}", &r, &e), 0);
	pthread_join(thread, NULL);
	client_free(c);
	assert_int_equal(client_open(&c, "unix:/nowhere/1,unix:/nowhere/2", &e), 0);
	assert_int_equal(client_call(c, "POST", "/x", "{}", &r, &e), -1);
	assert_int_equal(e.code, ERR_UNREACHABLE);
	client_free(c);
	client_reply_release(&r);
}

static void test_escape(void **state)
{
	struct buf out = BUF_INIT;

	client_add_escaped(&out, "a b/c%\xc3\xa4~");
	assert_string_equal(out.data, "a%20b%2Fc%25%C3%A4~");
	buf_release(&out);
}

/* ---- by events ---------------------------------------------------------------------------------------------- */

struct seen {
	int calls, failures;
	char body[100];
	enum err_code code;
};

static void on_done(void *ctx, struct client_reply *r, const struct err *e)
{
	struct seen *s = ctx;

	s->calls++;
	s->failures += e != NULL;
	s->code = e ? e->code : ERR_NONE;
	snprintf(s->body, sizeof(s->body), "%s", r->body.data);
}

static void drive(struct client *c, int ms)
{
	struct pollfd p = { .fd = client_fd(c), .events = POLLIN };
	struct err e = ERR_INIT;
	int timeout = client_timeout_ms(c);

	poll(&p, 1, timeout >= 0 && timeout < ms ? timeout : ms);
	assert_int_equal(client_dispatch(c, &e), 0);
}

static void start(struct client *c, const char *path, const char *body, struct seen *s,
		  struct client_job **job)
{
	struct client_request q = { .method = "POST", .path = path, .body = body, .body_len = strlen(body) };
	struct err e = ERR_INIT;

	assert_int_equal(client_start(c, &q, on_done, s, job, &e), 0);
}

static struct fake_request await(struct client *c, const char *path)
{
	struct fake_request r;

	for (int i = 0; i < 2000; i++) {
		drive(c, 5);
		if (fake_comes(&server, path, 0, &r))
			return r;
	}
	fail_msg("no request for %s", path);
	return r;
}

static void test_events(void **state)
{
	struct client *c = open_client();
	struct seen one = { 0 }, two = { 0 };
	struct fake_request r1, r2;

	start(c, "/one", "1", &one, NULL);
	start(c, "/two", "2", &two, NULL);
	r1 = await(c, "/one");
	r2 = await(c, "/two");
	/* In the other order. */
	fake_answer(&r2, 200, "second");
	for (int i = 0; i < 2000 && !two.calls; i++)
		drive(c, 5);
	assert_int_equal(one.calls, 0);
	assert_string_equal(two.body, "second");
	fake_answer(&r1, 409, "{\"error\":{\"code\":\"stale\",\"message\":\"gone\"}}");
	for (int i = 0; i < 2000 && !one.calls; i++)
		drive(c, 5);
	assert_int_equal(one.failures, 1);
	assert_int_equal(one.code, ERR_STALE);
	client_free(c);
}

static void test_cancel(void **state)
{
	struct client *c = open_client();
	struct seen seen = { 0 };
	struct client_job *job;
	struct fake_request r;

	start(c, "/one", "1", &seen, &job);
	r = await(c, "/one");
	client_cancel(job);
	fake_answer(&r, 200, "late");
	for (int i = 0; i < 5; i++)
		drive(c, 2);
	assert_int_equal(seen.calls, 0);
	/* One that is under way when the client goes is not called back either. */
	start(c, "/two", "1", &seen, NULL);
	await(c, "/two");
	client_free(c);
	assert_int_equal(seen.calls, 0);
}

static void test_event_no_server(void **state)
{
	struct client *c = open_client();
	struct seen seen = { 0 };

	fake_die(&server);
	start(c, "/one", "1", &seen, NULL);
	for (int i = 0; i < 2000 && !seen.calls; i++)
		drive(c, 5);
	assert_int_equal(seen.code, ERR_UNREACHABLE);
	client_free(c);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_call),
		TEST(test_refusal),
		TEST(test_no_server),
		TEST(test_post_is_sent_once),
		TEST(test_get_is_sent_again),
		TEST(test_file_up),
		TEST(test_file_down),
		TEST(test_reply_limit),
		TEST(test_addresses),
		TEST(test_several_addresses),
		TEST(test_the_next_is_asked),
		TEST(test_escape),
		TEST(test_events),
		TEST(test_cancel),
		TEST(test_event_no_server),
	};

	return cmocka_run_group_tests_name("http/client", tests, NULL, NULL);
}
