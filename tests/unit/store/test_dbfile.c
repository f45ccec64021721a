/* Whose file is it, and is it whole? In every refusal not a byte may change. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "contract/store_fixture.h"

static char path[128], wal[128];

static int set_up(void **state)
{
	struct fx *fx = calloc(1, sizeof *fx);
	fx_init(fx);
	fx_worker(fx, "w", "s");
	for (int i = 0; i < 50; i++)
		fx_job(fx, NULL, 0);
	assert_int_equal(fx_run(fx, 2, OUTCOME_SUCCEEDED), 0);
	fx_close(fx);
	snprintf(path, sizeof path, "%s/slipway.db", fx->dir);
	snprintf(wal, sizeof wal, "%s-wal", path);
	*state = fx;
	return 0;
}

static int tear_down(void **state)
{
	struct fx *fx = *state;
	fx_close(fx);
	arena_release(&fx->arena);
	fd_remove_tree(AT_FDCWD, fx->dir, NULL);
	free(fx);
	return 0;
}

static void raw(const char *sql)
{
	sqlite3 *h;
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	if (sqlite3_exec(h, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(h));
	sqlite3_close(h);
}

static void read_all(const char *name, struct buf *out)
{
	struct err e = ERR_INIT;
	buf_reset(out);
	if (access(name, F_OK) == 0 && fd_read_file(AT_FDCWD, name, 1 << 26, out, &e) < 0)
		fail_msg("%s", e.text);
}

/* Opening fails with `code`, says `text`, and leaves the file and its log as they were. */
static void refuses(struct fx *fx, enum err_code code, const char *text)
{
	CLEAN_BUF struct buf before = BUF_INIT, after = BUF_INIT, wal_before = BUF_INIT, wal_after = BUF_INIT;
	struct store *s;
	struct err e = ERR_INIT;
	struct stat st;
	bool had_wal = stat(wal, &st) == 0;
	read_all(path, &before);
	read_all(wal, &wal_before);
	assert_int_equal(
		store_open(&s, &(struct store_options){ .data_dir = fx->dir, .is_create = true }, &e), -1);
	if (e.code != code || !strstr(e.text, text))
		fail_msg("%d: %s", (int)e.code, e.text);
	read_all(path, &after);
	read_all(wal, &wal_after);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, before.len);
	assert_int_equal(wal_before.len, wal_after.len);
	assert_memory_equal(wal_before.data, wal_after.data, wal_before.len);
	assert_int_equal(stat(wal, &st) == 0, had_wal);
}

static void damage(off_t at, const char *bytes, size_t n)
{
	int fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	close(fd);
}

static void test_no_database_at_all(void **state)
{
	damage(0, "PK\3\4 something else", 20);
	refuses(*state, ERR_CORRUPT, "not an SQLite database");
	assert_int_equal(truncate(path, 0), 0);
	refuses(*state, ERR_CORRUPT, "not an SQLite database");
}

static void test_of_another_program(void **state)
{
	raw("PRAGMA application_id = 7");
	refuses(*state, ERR_CORRUPT, "another program");
}

static void test_newer(void **state)
{
	raw("PRAGMA user_version = 999");
	refuses(*state, ERR_UNSUPPORTED, "newer version");
}

static void test_damaged_pages(void **state)
{
	char junk[4096];
	struct stat st;
	memset(junk, 0xa5, sizeof junk);
	assert_int_equal(stat(path, &st), 0);
	for (off_t page = 1; page < st.st_size / 4096 && page < 12; page++)
		damage(page * 4096, junk, 200);
	refuses(*state, ERR_CORRUPT, "nothing was changed");
}

static void test_cut_short(void **state)
{
	assert_int_equal(truncate(path, 4096 * 3), 0);
	refuses(*state, ERR_CORRUPT, "");
}

/* A child makes changes and dies without closing: what is committed stands in the log only. */
static void leave_a_log(const char *data_dir, const char *sql)
{
	pid_t pid = fork();
	if (pid == 0) {
		sqlite3 *h;
		if (sqlite3_open(path, &h) != SQLITE_OK ||
		    sqlite3_exec(h, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0", NULL, NULL,
				 NULL) != SQLITE_OK ||
		    sqlite3_exec(h, sql, NULL, NULL, NULL) != SQLITE_OK)
			_exit(1);
		_exit(0);
	}
	int status;
	struct stat st;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(stat(wal, &st), 0);
	assert_true(st.st_size > 0);
}

static void test_a_log_is_recovered(void **state)
{
	struct fx *fx = *state;
	leave_a_log(fx->dir, "UPDATE job SET name = 'kept' WHERE id = 1");
	fx_open(fx);
	assert_string_equal(fx_get(fx, 1).name, "kept");
	assert_int_equal(fx_check(fx), 0);
}

static void test_newer_by_its_log(void **state)
{
	struct fx *fx = *state;
	leave_a_log(fx->dir, "PRAGMA user_version = 999");
	refuses(fx, ERR_UNSUPPORTED, "newer version");
}

static void test_foreign_with_a_log(void **state)
{
	struct fx *fx = *state;
	raw("PRAGMA application_id = 7");
	leave_a_log(fx->dir, "CREATE TABLE other (a)");
	refuses(fx, ERR_CORRUPT, "another program");
}

static void test_one_owner(void **state)
{
	struct fx *fx = *state;
	struct store *s;
	struct err e = ERR_INIT;
	char pid[32];
	fx_open(fx);
	assert_int_equal(store_open(&s, &(struct store_options){ .data_dir = fx->dir }, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	snprintf(pid, sizeof pid, "process %ld", (long)getpid());
	assert_non_null(strstr(e.text, pid));
}

static void test_nothing_there(void **state)
{
	struct fx *fx = *state;
	struct store *s;
	struct err e = ERR_INIT;
	unlink(path);
	assert_int_equal(store_open(&s, &(struct store_options){ .data_dir = fx->dir }, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	/* A creation that was cut short leaves no half file under the real name, and does not hinder the
	 * next. */
	char part[160];
	snprintf(part, sizeof part, "%s.new", path);
	int fd = open(part, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "half", 4), 4);
	close(fd);
	fx_open(fx);
	assert_int_equal(fx_check(fx), 0);
	assert_int_equal(access(part, F_OK), -1);
}

static void expect_refusal(const char *sql, const char *why)
{
	sqlite3 *h;
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	int rc = sqlite3_exec(h, sql, NULL, NULL, NULL);
	if (rc != SQLITE_CONSTRAINT || !strstr(sqlite3_errmsg(h), why))
		fail_msg("%s: %s", sql, sqlite3_errmsg(h));
	sqlite3_close(h);
}

/* The database itself holds the rules, whoever writes. */
static void test_rules_in_the_database(void **state)
{
	for (int from = 0; from <= STATE_LAST; from++)
		for (int to = STATE_FIRST; to <= STATE_LAST; to++) {
			char sql[1024];
			const char *row =
				"INSERT INTO job SELECT 1000, 1, %d, 0, 1, NULL, 0, 1, 0, 0, 0, 0, 0, %d, %d, 0,"
				"0, 0, 1, -1, 0, 0, 0, 1, NULL, 1000, 1, 0, 0, '', NULL, NULL, '{}', NULL, NULL, 0;";
			struct buf b = BUF_INIT;
			buf_adds(&b, "BEGIN; DROP TRIGGER job_birth;");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			snprintf(sql, sizeof sql, row, from ? from : to, (from ? from : to) >= 8,
				 (from ? from : to) == 4 || (from ? from : to) == 5);
#pragma GCC diagnostic pop
			if (!from)
				buf_reset(&b);
			buf_adds(&b, sql);
			if (from)
				buf_addf(
					&b,
					"UPDATE job SET state = %d, finished = %d, lease_until = %d WHERE id = 1000;",
					to, to >= 8, to == 4 || to == 5);
			sqlite3 *h;
			assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
			if (!from)
				sqlite3_exec(h, "BEGIN", NULL, NULL, NULL);
			int rc = sqlite3_exec(h, b.data, NULL, NULL, NULL);
			bool may = from == to || state_may_go((enum job_state)from, (enum job_state)to);
			if ((rc == SQLITE_OK) != may)
				fail_msg("from %d to %d: %s", from, to, sqlite3_errmsg(h));
			if (!may)
				assert_non_null(strstr(sqlite3_errmsg(h), "illegal"));
			sqlite3_close(h);
			buf_release(&b);
		}
	expect_refusal("UPDATE event SET at = 0", "only added");
	expect_refusal("DELETE FROM event", "only added");
	expect_refusal("UPDATE job SET priority = 1001", "CHECK");
	expect_refusal("UPDATE job SET kind = 6", "CHECK");
	expect_refusal("UPDATE job SET reason = 18", "CHECK");
	expect_refusal("UPDATE job SET state = 11", "CHECK");
	expect_refusal("UPDATE attempt SET outcome = 7", "CHECK");
	/* The numbers that stand in the schema are those of the program. */
	assert_int_equal(KIND_LAST, 5);
	assert_int_equal(REASON_LAST, 17);
	assert_int_equal(STATE_LAST, 10);
	assert_int_equal(OUTCOME_DEPWAIT, 6);
	assert_int_equal(ISOLATION_LAST, 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_no_database_at_all),
		TEST(test_of_another_program),
		TEST(test_newer),
		TEST(test_damaged_pages),
		TEST(test_cut_short),
		TEST(test_a_log_is_recovered),
		TEST(test_newer_by_its_log),
		TEST(test_foreign_with_a_log),
		TEST(test_one_owner),
		TEST(test_nothing_there),
		TEST(test_rules_in_the_database),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
