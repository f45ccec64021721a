/* The SQL interface on SQLite. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "db/db.h"

enum { ADD, GET, ALL, SWAPPED, COUNT, BAD, RETURNING, STATEMENTS };
static const struct db_stmt stmts[STATEMENTS] = {
	[ADD] = { "add", "INSERT INTO t (id, s, b) VALUES ($1, $2, $3)" },
	[GET] = { "get", "SELECT id, s, b FROM t WHERE id = $1" },
	[ALL] = { "all", "SELECT id FROM t ORDER BY id" },
	/* SQLite would number these 2, 1 by appearance. */
	[SWAPPED] = { "swapped", "SELECT $2 || '-' || $1 || '-' || $2" },
	[COUNT] = { "count", "SELECT count(*) FROM t" },
	[BAD] = { "bad", "SELECT nothing FROM nowhere" },
	[RETURNING] = { "returning", "INSERT INTO t (s) VALUES ($1) RETURNING id" },
};

static char dir[64], path[128];
static struct db *db;
static struct err e;

static struct db *open_as(enum db_mode mode)
{
	struct db *got;
	if (db_open(&got, &(struct db_options){ "sqlite", path, mode, stmts, STATEMENTS }, &e) < 0)
		fail_msg("%s", e.text);
	return got;
}

static int set_up(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/slipway-db-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/a.db", dir);
	db_close(open_as(DB_MODE_CREATE));
	db = open_as(DB_MODE_WRITER);
	assert_int_equal(
		db_script(db,
			  "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT CHECK (s <> 'no'), b BLOB) STRICT",
			  &e),
		0);
	return 0;
}

static int tear_down(void **state)
{
	db_close(db);
	fd_remove_tree(AT_FDCWD, dir, NULL);
	return 0;
}

static int add(int64_t id, const char *s)
{
	return db_exec(db, ADD, DB_ARGS(db_int(id), db_str(s), db_null()), NULL, &e);
}

static int64_t count(struct db *where)
{
	int64_t n = -1;
	assert_int_equal(db_get_int(where, COUNT, DB_NO_ARGS, &n, &e), 0);
	return n;
}

static void test_values(void **state)
{
	struct arena a = ARENA_INIT;
	struct db_rows r;
	size_t n;
	int64_t changed;
	assert_int_equal(db_exec(db, ADD, DB_ARGS(db_int(INT64_MIN), db_str("it's"), db_blob("a\0b", 3)),
				 &changed, &e),
			 0);
	assert_int_equal(changed, 1);
	assert_int_equal(db_exec(db, ADD, DB_ARGS(db_int(2), db_str_or_null(""), db_blob(NULL, 0)), NULL, &e),
			 0);
	assert_int_equal(db_query(db, GET, DB_ARGS(db_int(INT64_MIN)), &r, &e), 0);
	assert_int_equal(db_next(&r, &e), 1);
	assert_true(db_col_int(&r, 0) == INT64_MIN);
	assert_string_equal(db_col_str(&r, 1, &a), "it's");
	assert_memory_equal(db_col_blob(&r, 2, &n), "a\0b", 3);
	assert_int_equal(n, 3);
	assert_int_equal(db_next(&r, &e), 0);
	assert_int_equal(db_query(db, GET, DB_ARGS(db_int(2)), &r, &e), 0);
	assert_int_equal(db_next(&r, &e), 1);
	assert_true(db_col_is_null(&r, 1));
	assert_string_equal(db_col_text(&r, 1), "");
	assert_false(db_col_is_null(&r, 2));
	db_rows_end(&r);
	db_rows_end(&r);
	arena_release(&a);
}

static void test_bound_by_name(void **state)
{
	struct db_rows r;
	assert_int_equal(db_query(db, SWAPPED, DB_ARGS(db_str("one"), db_str("two")), &r, &e), 0);
	assert_int_equal(db_next(&r, &e), 1);
	assert_string_equal(db_col_text(&r, 0), "two-one-two");
	db_rows_end(&r);
}

static void test_errors_have_codes(void **state)
{
	assert_int_equal(add(1, "a"), 0);
	assert_int_equal(add(1, "b"), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(add(2, "no"), -1);
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_int_equal(db_exec(db, BAD, DB_NO_ARGS, NULL, &e), -1);
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_non_null(strstr(e.text, "bad"));
	assert_int_equal(db_exec(db, ADD, DB_ARGS(db_int(1)), NULL, &e), -1);
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_int_equal(db_exec(db, COUNT, DB_NO_ARGS, NULL, &e), -1);
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_int_equal(db_exec(db, 99, DB_NO_ARGS, NULL, &e), -1);
	assert_int_equal(count(db), 1);
	assert_false(db_is_broken(db));
	struct db *none;
	assert_int_equal(db_open(&none, &(struct db_options){ .driver = "oracle" }, &e), -1);
	assert_int_equal(e.code, ERR_UNSUPPORTED);
	assert_true(db_caps(db) & DB_SINGLE_WRITER);
}

static void test_one_cursor_a_statement(void **state)
{
	struct db_rows r, again;
	add(1, "a");
	assert_int_equal(db_query(db, ALL, DB_NO_ARGS, &r, &e), 0);
	assert_int_equal(db_next(&r, &e), 1);
	assert_int_equal(db_query(db, ALL, DB_NO_ARGS, &again, &e), -1);
	assert_int_equal(e.code, ERR_INTERNAL);
	db_rows_end(&again);
	db_rows_end(&r);
	assert_int_equal(db_query(db, ALL, DB_NO_ARGS, &again, &e), 0);
	db_rows_end(&again);
	/* A cursor given up after its first row has inserted all the same. */
	assert_int_equal(db_query(db, RETURNING, DB_ARGS(db_str("x")), &r, &e), 0);
	assert_int_equal(db_next(&r, &e), 1);
	db_rows_end(&r);
	assert_int_equal(count(db), 2);
}

static void test_transactions(void **state)
{
	assert_int_equal(db_begin(db, &e), 0);
	assert_true(db_is_in_transaction(db));
	add(1, "a");
	assert_int_equal(db_savepoint(db, &e), 0);
	add(2, "b");
	assert_int_equal(db_rollback_to(db, &e), 0);
	assert_int_equal(db_savepoint(db, &e), 0);
	add(3, "c");
	assert_int_equal(db_release(db, &e), 0);
	assert_int_equal(count(db), 2);
	assert_int_equal(db_commit(db, &e), 0);
	assert_false(db_is_in_transaction(db));
	assert_int_equal(db_begin(db, &e), 0);
	add(4, "d");
	db_rollback(db);
	db_rollback(db);
	assert_int_equal(count(db), 2);
}

static void test_a_reader_sees_commits_only(void **state)
{
	struct db *reader = open_as(DB_MODE_READER);
	assert_int_equal(db_begin(db, &e), 0);
	add(1, "a");
	assert_int_equal(count(reader), 0);
	assert_int_equal(db_commit(db, &e), 0);
	assert_int_equal(db_begin(reader, &e), 0);
	assert_int_equal(count(reader), 1);
	add(2, "b");
	assert_int_equal(count(reader), 1);
	db_rollback(reader);
	assert_int_equal(count(reader), 2);
	assert_int_equal(db_exec(reader, ADD, DB_ARGS(db_int(5), db_null(), db_null()), NULL, &e), -1);
	db_close(reader);
	/* It did not checkpoint either: the log is as long as it was. */
	struct stat st;
	char wal[160];
	snprintf(wal, sizeof wal, "%s-wal", path);
	assert_int_equal(stat(wal, &st), 0);
	assert_true(st.st_size > 0);
}

/* A write that fails half-way leaves the disk in a state nobody knows. */
static void test_a_failed_write_is_noticed(void **state)
{
	struct rlimit old, small = { 0 };
	struct stat st;
	char wal[160], *big = malloc(1 << 20);
	sigaction(SIGXFSZ, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	memset(big, 'x', 1 << 20);
	snprintf(wal, sizeof wal, "%s-wal", path);
	assert_int_equal(stat(wal, &st), 0);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_cur = (rlim_t)st.st_size + 8192;
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(db_begin(db, &e), 0);
	assert_int_equal(db_exec(db, ADD, DB_ARGS(db_int(1), db_null(), db_blob(big, 1 << 20)), NULL, &e), 0);
	assert_int_equal(db_commit(db, &e), -1);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_true(e.code == ERR_UNCERTAIN || e.code == ERR_SYSTEM);
	assert_true(db_is_broken(db));
	free(big);
	db_rollback(db);
	db_close(db);
	db = open_as(DB_MODE_WRITER);
	assert_int_equal(count(db), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_values),
		TEST(test_bound_by_name),
		TEST(test_errors_have_codes),
		TEST(test_one_cursor_a_statement),
		TEST(test_transactions),
		TEST(test_a_reader_sees_commits_only),
		TEST(test_a_failed_write_is_noticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
