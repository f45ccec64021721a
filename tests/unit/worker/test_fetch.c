/* A worker on another machine: blobs come over the line and stay in its cache. */
#include "worker/worker_priv.h"

#include <fcntl.h>

#include "base/fd.h"
#include "base/hash.h"
#include "worker_fixture.h"

static void test_blobs_are_fetched(void **state)
{
	static const char content[] = "input";
	CLEAN_BUF struct buf out = BUF_INIT;
	struct fake_request r;
	struct fake_event ev;
	char sha[HASH_HEX_BYTES], path[300];
	struct stat st;

	hash_bytes(content, strlen(content), sha);
	begin_remote();
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
	end_worker();
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
	end_worker();
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
	end_worker();
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
	end_worker();
}

static void finish_and_confirm(int64_t job)
{
	succeed(job);
	confirm_report();
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
	end_worker();
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
	end_worker();
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
	end_worker();
	options.min_free_bytes = 0;
}

static void test_blob_is_missing(void **state)
{
	CLEAN_BUF struct buf out = BUF_INIT;
	struct fake_request r;

	begin_remote();
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
	confirm_result(1, "failed", "input");
	end_worker();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORKER_TEST(test_blobs_are_fetched),	    WORKER_TEST(test_fetch_is_resumed),
		WORKER_TEST(test_fetch_is_complete),	    WORKER_TEST(test_part_is_resumed_after_a_restart),
		WORKER_TEST(test_cached_blobs_are_checked), WORKER_TEST(test_cache_is_bounded),
		WORKER_TEST(test_full_disk_takes_nothing),  WORKER_TEST(test_blob_is_missing),
	};

	return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
