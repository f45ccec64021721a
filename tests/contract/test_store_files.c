/* Blobs and logs. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "model/logfile.h"
#include "store/blobs.h"
#include "store/logs.h"
#include "pg_fixture.h"
#include "store_fixture.h"

static int set_up(void **state)
{
	struct fx *fx = calloc(1, sizeof *fx);
	fx_init(fx);
	fx_worker(fx, "w", "s1");
	*state = fx;
	return 0;
}

static int tear_down(void **state)
{
	fx_release(*state);
	free(*state);
	return 0;
}

static int count_files(const char *dir)
{
	int n = 0;
	struct dirent *entry;
	DIR *d = opendir(dir);
	assert_non_null(d);
	while ((entry = readdir(d)))
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		     strcmp(entry->d_name, ".parts") != 0;
	closedir(d);
	return n;
}

static void test_uploads(void **state)
{
	struct fx *fx = *state;
	struct blob_upload *u;
	struct err e = ERR_INIT;
	char sha[65], expected[65], bytes[6];
	int64_t size;
	hash_bytes("abcdef", 6, expected);
	assert_false(blob_exists(fx->store, expected, NULL));
	for (int again = 0; again < 2; again++) {
		assert_int_equal(blob_upload_begin(fx->store, expected, 6, &u, &e), 0);
		assert_int_equal(blob_upload_add(u, "abc", 3, &e), 0);
		assert_int_equal(blob_upload_add(u, "def", 3, &e), 0);
		assert_int_equal(blob_upload_commit(u, sha, &size, &e), 0);
		assert_string_equal(sha, expected);
		assert_int_equal(size, 6);
	}
	int fd = blob_open(fx->store, sha, &size, &e);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, bytes, 6), 6);
	assert_memory_equal(bytes, "abcdef", 6);
	close(fd);
	assert_true(blob_exists(fx->store, sha, &size));
	assert_int_equal(blob_open(fx->store, "../slipway.db", &size, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(count_files(blob_dir(fx->store)), 1);
}

static void test_refused_uploads_leave_nothing(void **state)
{
	struct fx *fx = *state;
	struct blob_upload *u;
	struct err e = ERR_INIT;
	char sha[65], other[65];
	int64_t size;
	hash_bytes("other", 5, other);
	assert_int_equal(blob_upload_begin(fx->store, other, 0, &u, &e), 0);
	assert_int_equal(blob_upload_add(u, "abc", 3, &e), 0);
	assert_int_equal(blob_upload_commit(u, sha, &size, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(blob_upload_begin(fx->store, NULL, 2, &u, &e), 0);
	assert_int_equal(blob_upload_add(u, "abc", 3, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	blob_upload_abort(u);
	assert_int_equal(blob_upload_begin(fx->store, "nothex", 0, &u, &e), -1);
	assert_int_equal(count_files(blob_dir(fx->store)), 0);
	/* One that a crash cut short is swept when the store opens; where servers share the folder, once it is old. */
	char part[200];
	snprintf(part, sizeof part, "%s/.part-0123", blob_dir(fx->store));
	close(open(part, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(utimensat(AT_FDCWD, part, (struct timespec[2]){ { 0 }, { 0 } }, 0), 0);
	fx_close(fx);
	fx_open(fx);
	assert_int_equal(count_files(blob_dir(fx->store)), 0);
}

static const char key[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static int resume(struct fx *fx, const char *sha, int64_t offset, struct blob_upload **u, struct err *e)
{
	*e = ERR_INIT;
	return blob_upload_resume(fx->store, key, sha, offset, 100, u, e);
}

static int64_t size_here(struct fx *fx, const char *sha, bool *is_whole)
{
	struct err e = ERR_INIT;
	int64_t size;
	assert_int_equal(blob_upload_size(fx->store, key, sha, &size, is_whole, &e), 0);
	return size;
}

/* Cut at every byte there is, and the store opened anew in between: what is there in the end is right, and nothing else is. */
static void test_uploads_are_resumed(void **state)
{
	struct fx *fx = *state;
	static const char content[] = "abcdef";
	struct blob_upload *u;
	struct err e = ERR_INIT;
	char sha[65], got[65];
	int64_t size;
	bool is_whole;
	hash_bytes(content, 6, sha);
	for (int64_t at = 0; at < 6; at++) {
		assert_int_equal(size_here(fx, sha, &is_whole), at);
		assert_false(is_whole);
		assert_int_equal(resume(fx, sha, at + 1, &u, &e), -1);
		assert_int_equal(e.code, ERR_CONFLICT);
		assert_int_equal(resume(fx, sha, at, &u, &e), 0);
		assert_int_equal(blob_upload_add(u, content + at, 1, &e), 0);
		if (at == 5)
			break;
		blob_upload_abort(u);
		assert_false(blob_exists(fx->store, sha, NULL));
		fx_close(fx);
		fx_open(fx);
	}
	assert_int_equal(blob_upload_commit(u, got, &size, &e), 0);
	assert_string_equal(got, sha);
	assert_int_equal(size_here(fx, sha, &is_whole), 6);
	assert_true(is_whole);
	assert_int_equal(count_files(blob_dir(fx->store)), 1);
}

/* The connection that was there before still has something to say, even after the file has become a blob. */
static void test_resuming_takes_over(void **state)
{
	struct fx *fx = *state;
	struct blob_upload *old, *newer;
	struct err e = ERR_INIT;
	char sha[65], got[65], bytes[6];
	int64_t size;
	hash_bytes("abcdef", 6, sha);
	assert_int_equal(resume(fx, sha, 0, &old, &e), 0);
	assert_int_equal(blob_upload_add(old, "abc", 3, &e), 0);
	assert_int_equal(resume(fx, sha, 3, &newer, &e), 0);
	assert_int_equal(blob_upload_add(old, "xyz", 3, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	e = ERR_INIT;
	assert_int_equal(blob_upload_add(newer, "def", 3, &e), 0);
	assert_int_equal(blob_upload_commit(newer, got, &size, &e), 0);
	assert_int_equal(blob_upload_add(old, "xyz", 3, &e), -1);
	blob_upload_abort(old);
	int fd = blob_open(fx->store, sha, &size, &e);
	assert_int_equal(read(fd, bytes, 6), 6);
	assert_memory_equal(bytes, "abcdef", 6);
	close(fd);
}

/* What lay here for a while is not what was sent: it is gone, and all is to be brought again. */
static void test_damaged_part(void **state)
{
	struct fx *fx = *state;
	struct blob_upload *u;
	struct err e = ERR_INIT;
	char sha[65], got[65];
	int64_t size;
	bool is_whole;
	hash_bytes("abcdef", 6, sha);
	assert_int_equal(resume(fx, sha, 0, &u, &e), 0);
	assert_int_equal(blob_upload_add(u, "aXc", 3, &e), 0);
	blob_upload_abort(u);
	assert_int_equal(resume(fx, sha, 3, &u, &e), 0);
	assert_int_equal(blob_upload_add(u, "def", 3, &e), 0);
	assert_int_equal(blob_upload_commit(u, got, &size, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(size_here(fx, sha, &is_whole), 0);
	assert_false(is_whole);
}

static void make_old(const char *dir)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	assert_non_null(d);
	while ((entry = readdir(d)))
		if (entry->d_name[0] != '.')
			assert_int_equal(utimensat(dirfd(d), entry->d_name,
						   (struct timespec[2]){ { 0 }, { 0 } }, 0),
					 0);
	closedir(d);
}

/* Nobody came back for it. */
static void test_old_parts_are_swept(void **state)
{
	struct fx *fx = *state;
	struct blob_upload *u;
	struct err e = ERR_INIT;
	char sha[65], parts[200];
	bool is_whole;
	hash_bytes("abcdef", 6, sha);
	assert_int_equal(resume(fx, sha, 0, &u, &e), 0);
	assert_int_equal(blob_upload_add(u, "abc", 3, &e), 0);
	blob_upload_abort(u);
	snprintf(parts, sizeof parts, "%s/.parts", blob_dir(fx->store));
	assert_int_equal(count_files(parts), 1);
	make_old(parts);
	fx_close(fx);
	fx_open(fx);
	assert_int_equal(count_files(parts), 0);
	assert_int_equal(size_here(fx, sha, &is_whole), 0);
}

struct collecting {
	int64_t grace_ms, bytes;
	int removed;
};

static int do_gc(struct tx *tx, void *ctx, struct err *e)
{
	struct collecting *c = ctx;
	return blobs_gc(tx, c->grace_ms, &c->removed, &c->bytes, e);
}

static void test_garbage(void **state)
{
	struct fx *fx = *state;
	struct job_new one = fx_new();
	struct job_birth b;
	char input[65], loose[65], payload[512];
	struct artifact art = { .name = "out.txt", .size_bytes = 3 };
	assert_int_equal(blob_put(fx->store, "in", 2, input, NULL), 0);
	assert_int_equal(blob_put(fx->store, "loose", 5, loose, NULL), 0);
	assert_int_equal(blob_put(fx->store, "art", 3, art.sha256, NULL), 0);
	snprintf(
		payload, sizeof payload,
		"{\"argv\":[\"true\"],\"inputs\":[{\"name\":\"in\",\"sha256\":\"%s\",\"size\":2,\"mode\":\"0644\"}]}",
		input);
	one.payload = payload;
	if (fx_submit(fx, &one, 1, &b) < 0)
		fail_msg("%s", fx->err.text);
	struct job *jobs;
	size_t n;
	enum job_state s;
	bool is_repeat;
	assert_int_equal(fx_take(fx, 1, &jobs, &n), 0);
	struct artifact missing = { .name = "x", .size_bytes = 3 };
	hash_bytes("nowhere", 7, missing.sha256);
	struct job_end end = { .job = b.id,
			       .attempt = 1,
			       .outcome = OUTCOME_SUCCEEDED,
			       .step = "",
			       .detail = "",
			       .artifacts = &missing,
			       .artifacts_len = 1 };
	assert_int_equal(fx_finish(fx, &end, &s, &is_repeat), -1);
	assert_int_equal(fx->err.code, ERR_INVALID);
	end.artifacts = &art;
	assert_int_equal(fx_finish(fx, &end, &s, &is_repeat), 0);
	assert_int_equal(fx_get(fx, b.id).artifacts, 1);
	struct collecting c = { .grace_ms = 3600 * 1000 };
	assert_int_equal(fx_write(fx, do_gc, &c), 0);
	assert_int_equal(c.removed, 0);
	c.grace_ms = -1000;
	assert_int_equal(fx_write(fx, do_gc, &c), 0);
	assert_int_equal(c.removed, 1);
	assert_int_equal(c.bytes, 5);
	assert_false(blob_exists(fx->store, loose, NULL));
	assert_true(blob_exists(fx->store, input, NULL) && blob_exists(fx->store, art.sha256, NULL));
}

static void test_appends(void **state)
{
	struct fx *fx = *state;
	struct err e = ERR_INIT;
	int64_t size;
	char bytes[16];
	struct log_reader *r;
	assert_int_equal(log_append(fx->store, 7, 1, 3, "x", 1, &size, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(log_size(fx->store, 7, 1), 0);
	assert_int_equal(log_append(fx->store, 7, 1, 0, "hello ", 6, &size, &e), 0);
	assert_int_equal(size, 6);
	assert_int_equal(log_append(fx->store, 7, 1, 0, "hello ", 6, &size, &e), 0);
	assert_int_equal(size, 6);
	assert_int_equal(log_append(fx->store, 7, 1, 4, "o world", 7, &size, &e), 0);
	assert_int_equal(size, 11);
	assert_int_equal(log_append(fx->store, 7, 1, 12, "x", 1, &size, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(log_reader_open(fx->store, 7, 1, 6, &r, &e), 0);
	assert_int_equal(log_reader_read(r, bytes, sizeof bytes, &e), 5);
	assert_memory_equal(bytes, "world", 5);
	assert_int_equal(log_reader_read(r, bytes, sizeof bytes, &e), 0);
	assert_int_equal(log_append(fx->store, 7, 1, 11, "!", 1, &size, &e), 0);
	assert_int_equal(log_reader_read(r, bytes, sizeof bytes, &e), 1);
	log_reader_close(r);
	assert_int_equal(log_reader_open(fx->store, 7, 2, 0, &r, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void plain_path(struct fx *fx, int64_t job, char *out, size_t n)
{
	char name[LOG_FILE_NAME_BYTES];
	snprintf(out, n, "%s/%s", logs_dir(fx->store), log_file_name(job, 1, name));
}

/* A job whose log is larger than any buffer on the way. */
static int64_t logged_job(struct fx *fx, size_t lines)
{
	struct job *jobs;
	size_t n;
	enum job_state s;
	bool is_repeat;
	int64_t size = 0, id = fx_job(fx, NULL, 0);
	assert_int_equal(fx_take(fx, 1, &jobs, &n), 0);
	char line[64];
	for (size_t i = 0; i < lines; i++) {
		int len = snprintf(line, sizeof line, "line %09zu of a long log\n", i);
		assert_int_equal(log_append(fx->store, id, 1, size, line, (size_t)len, &size, NULL), 0);
	}
	struct job_end end = { .job = id,
			       .attempt = 1,
			       .outcome = OUTCOME_SUCCEEDED,
			       .step = "",
			       .detail = "",
			       .log_bytes = size };
	assert_int_equal(fx_finish(fx, &end, &s, &is_repeat), 0);
	return id;
}

static void read_from(struct fx *fx, int64_t id, int64_t offset, int64_t size)
{
	struct log_reader *r;
	struct err e = ERR_INIT;
	char bytes[5000];
	int64_t at = offset, n;
	if (log_reader_open(fx->store, id, 1, offset, &r, &e) < 0)
		fail_msg("%s", e.text);
	while ((n = log_reader_read(r, bytes, sizeof bytes, &e)) > 0) {
		char line[64];
		snprintf(line, sizeof line, "line %09lld of a long log\n", (long long)(at / 29));
		assert_memory_equal(bytes, line + at % 29, 1);
		at += n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(at, size);
	log_reader_close(r);
}

static void test_sealing(void **state)
{
	struct fx *fx = *state;
	struct log_reader *before;
	struct err e = ERR_INIT;
	struct stat st;
	char path[256], byte;
	int64_t got, id = logged_job(fx, 20000), size = 20000 * 29;
	plain_path(fx, id, path, sizeof path);
	assert_int_equal(log_size(fx->store, id, 1), size);
	assert_int_equal(log_reader_open(fx->store, id, 1, size - 1, &before, &e), 0);
	log_seal(fx->store, id, 1);
	/* It goes on being readable all the while, whichever name it has. */
	while (stat(path, &st) == 0) {
		assert_int_equal(log_size(fx->store, id, 1), size);
		read_from(fx, id, size - 29, size);
	}
	assert_int_equal(log_reader_read(before, &byte, 1, &e), 1);
	assert_int_equal(byte, '\n');
	log_reader_close(before);
	assert_int_equal(log_size(fx->store, id, 1), size);
	read_from(fx, id, 0, size);
	read_from(fx, id, 123456, size);
	read_from(fx, id, size, size);
	plain_path(fx, id, path, sizeof path - 4);
	memcpy(path + strlen(path), ".zst", 5);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size < size / 4);
	/* A repeat is a no-op still, more is refused. */
	assert_int_equal(log_append(fx->store, id, 1, 0, "line", 4, &got, &e), 0);
	assert_int_equal(got, size);
	assert_int_equal(log_append(fx->store, id, 1, size, "x", 1, &got, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
}

static void test_unsealed_are_found_at_open(void **state)
{
	struct fx *fx = *state;
	struct job *jobs;
	size_t n;
	int64_t size, id = logged_job(fx, 100);
	char ended[256], live[256];
	struct stat st;
	int64_t running = fx_job(fx, NULL, 0);
	assert_int_equal(fx_take(fx, 1, &jobs, &n), 0);
	assert_int_equal(log_append(fx->store, running, 1, 0, "x", 1, &size, NULL), 0);
	plain_path(fx, id, ended, sizeof ended);
	plain_path(fx, running, live, sizeof live);
	fx_close(fx);
	fx_open(fx);
	while (stat(ended, &st) == 0)
		read_from(fx, id, 0, 2900);
	assert_int_equal(stat(live, &st), 0);
	read_from(fx, id, 0, 2900);
}

struct inline_log {
	struct fx *fx;
	int64_t id;
	const void *bytes;
	size_t len;
};

static int do_inline(struct tx *tx, void *ctx, struct err *e)
{
	struct inline_log *l = ctx;
	return attempts_log_inline(tx, l->id, 1, &l->fx->arena, &l->bytes, &l->len, e);
}

static void test_short_logs(void **state)
{
	struct fx *fx = *state;
	struct job *jobs;
	size_t n;
	enum job_state s;
	bool is_repeat;
	struct inline_log l = { .fx = fx, .id = fx_job(fx, NULL, 0) };
	assert_int_equal(fx_take(fx, 1, &jobs, &n), 0);
	assert_int_equal(fx_read(fx, do_inline, &l), 0);
	assert_null(l.bytes);
	struct job_end end = { .job = l.id,
			       .attempt = 1,
			       .outcome = OUTCOME_FAILED,
			       .reason = REASON_EXIT,
			       .step = "",
			       .detail = "",
			       .log = "o\0ps",
			       .log_len = 4,
			       .log_bytes = 4,
			       .result = "{}" };
	assert_int_equal(fx_finish(fx, &end, &s, &is_repeat), 0);
	assert_int_equal(fx_read(fx, do_inline, &l), 0);
	assert_int_equal(l.len, 4);
	assert_memory_equal(l.bytes, "o\0ps", 4);
}

int main(void)
{
	if (pg_skip_all())
		return 0;
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_uploads),
		TEST(test_refused_uploads_leave_nothing),
		TEST(test_uploads_are_resumed),
		TEST(test_resuming_takes_over),
		TEST(test_damaged_part),
		TEST(test_old_parts_are_swept),
		TEST(test_garbage),
		TEST(test_appends),
		TEST(test_sealing),
		TEST(test_unsealed_are_found_at_open),
		TEST(test_short_logs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
