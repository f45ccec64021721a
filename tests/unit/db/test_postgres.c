/* The SQL interface on PostgreSQL. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "contract/pg_fixture.h"
#include "db/db.h"

enum {
	ADD,
	GET,
	ALL,
	SWAPPED,
	COUNT,
	BAD,
	RETURNING,
	TYPES,
	SETTING,
	PID,
	KILL,
	FAIL_LATE,
	LOCK,
	TOUCH,
	STATEMENTS
};
static const struct db_stmt stmts[STATEMENTS] = {
	[ADD] = { "add", "sqlite", "INSERT INTO t (id, s, b) VALUES ($1, $2, $3)" },
	[GET] = { "get", "SELECT id, s, b FROM t WHERE id = $1" },
	[ALL] = { "all", "SELECT id FROM t ORDER BY id" },
	[SWAPPED] = { "swapped", "SELECT CAST($2 AS text) || '-' || CAST($1 AS text) || '-' || $2" },
	[COUNT] = { "count", "SELECT count(*) FROM t" },
	[BAD] = { "bad", "SELECT nothing FROM nowhere" },
	[RETURNING] = { "returning", "INSERT INTO t (id, s) VALUES ($1, $2) RETURNING id" },
	[TYPES] = { "types",
		    "SELECT true, 7::smallint, -8::integer, 9223372036854775807::bigint, 'x'::name, 1.5" },
	[SETTING] = { "setting", "SELECT current_setting($1)" },
	[PID] = { "pid", "SELECT pg_backend_pid()" },
	[KILL] = { "kill", "SELECT pg_terminate_backend(pg_backend_pid())" },
	[FAIL_LATE] = { "fail_late", "UPDATE t SET s = 'no' WHERE id = $1" },
	[LOCK] = { "lock", "SELECT id FROM t WHERE id = $1 FOR UPDATE" },
	[TOUCH] = { "touch", "UPDATE t SET s = 'touched' WHERE id = $1" },
};

static char *url;
static struct db *db, *other;
static struct err e;

#define OK(call)                                           \
	do {                                               \
		if ((call) < 0)                            \
			fail_msg("%s: %s", #call, e.text); \
	} while (0)
#define FAILS(call, expected)                              \
	do {                                               \
		assert_int_equal(call, -1);                \
		if (e.code != (expected))                  \
			fail_msg("%s: %s", #call, e.text); \
	} while (0)

static struct db *open_as(enum db_mode mode)
{
	struct db *got;
	OK(db_open(&got, &(struct db_options){ "postgresql", url, mode, stmts, STATEMENTS, "own" }, &e));
	return got;
}

static int set_up(void **state)
{
	e = ERR_INIT;
	url = pg_new_database();
	pg_run(url,
	       "CREATE SCHEMA own; CREATE TABLE own.t (id bigint PRIMARY KEY, s text CHECK (s <> 'no'), b bytea)");
	db = open_as(DB_MODE_WRITER);
	other = open_as(DB_MODE_WRITER);
	return 0;
}

static int tear_down(void **state)
{
	db_close(db);
	db_close(other);
	pg_drop_database(url);
	free(url);
	return 0;
}

static int add(struct db *to, int64_t id, const char *s)
{
	return db_exec(to, ADD, DB_ARGS(db_int(id), db_str(s), db_null()), NULL, &e);
}

static int64_t count(void)
{
	int64_t n = -1;
	OK(db_begin(other, &e));
	OK(db_get_int(other, COUNT, DB_NO_ARGS, &n, &e));
	db_rollback(other);
	return n;
}

static void test_values(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct db_rows r;
	size_t n;
	int64_t changed = 0;
	OK(db_begin(db, &e));
	OK(db_exec(db, ADD, DB_ARGS(db_int(INT64_MIN), db_str("gr\xc3\xbc\xc3\x9f"), db_blob("\0\1\0", 3)),
		   &changed, &e));
	assert_int_equal(changed, 1);
	OK(db_exec(db, ADD, DB_ARGS(db_int(-1), db_null(), db_blob(NULL, 0)), NULL, &e));
	OK(db_query(db, GET, DB_ARGS(db_int(INT64_MIN)), &r, &e));
	assert_int_equal(db_next(&r, &e), 1);
	assert_true(db_col_int(&r, 0) == INT64_MIN);
	assert_string_equal(db_col_text(&r, 1), "gr\xc3\xbc\xc3\x9f");
	assert_memory_equal(db_col_blob(&r, 2, &n), "\0\1\0", 3);
	assert_int_equal(n, 3);
	assert_int_equal(db_next(&r, &e), 0);
	assert_null(r.at);
	OK(db_query(db, GET, DB_ARGS(db_int(-1)), &r, &e));
	assert_int_equal(db_next(&r, &e), 1);
	assert_true(db_col_is_null(&r, 1));
	assert_string_equal(db_col_text(&r, 1), "");
	assert_string_equal(db_col_str(&r, 1, &a), "");
	assert_false(db_col_is_null(&r, 2));
	db_rows_end(&r);
	OK(db_query(db, SWAPPED, DB_ARGS(db_str("a"), db_str("b")), &r, &e));
	assert_int_equal(db_next(&r, &e), 1);
	assert_string_equal(db_col_text(&r, 0), "b-a-b");
	db_rows_end(&r);
	OK(db_commit(db, &e));
	assert_int_equal(count(), 2);
	/* A type nobody here reads is said, not misread. */
	FAILS(db_query(db, TYPES, DB_NO_ARGS, &r, &e), ERR_INTERNAL);
	assert_non_null(strstr(e.text, "column 5"));
}

static void expect_setting(struct db *of, const char *name, const char *value)
{
	struct db_rows r;
	OK(db_query(of, SETTING, DB_ARGS(db_str(name)), &r, &e));
	assert_int_equal(db_next(&r, &e), 1);
	assert_string_equal(db_col_text(&r, 0), value);
	db_rows_end(&r);
}

/* What tests/unit/store/test_postgres.c takes for granted. */
static void test_settings_are_the_transactions(void **state)
{
	OK(db_begin(db, &e));
	expect_setting(db, "plan_cache_mode", "force_generic_plan");
	expect_setting(db, "enable_seqscan", "off");
	expect_setting(db, "enable_bitmapscan", "off");
	expect_setting(db, "enable_sort", "off");
	expect_setting(db, "search_path", "own");
	expect_setting(db, "lock_timeout", "5s");
	expect_setting(db, "transaction_isolation", "read committed");
	assert_true(db_began_ms(db) > 1700000000000);
	db_rollback(db);
	expect_setting(db, "enable_seqscan", "on");
	expect_setting(db, "lock_timeout", "0");
	struct db *reader = open_as(DB_MODE_READER);
	OK(db_begin(reader, &e));
	expect_setting(reader, "transaction_isolation", "repeatable read");
	FAILS(db_query(reader, LOCK, DB_ARGS(db_int(1)), &(struct db_rows){ .db = NULL }, &e), ERR_BUSY);
	db_close(reader);
	/* Off for others' sake is not off for ours. */
	pg_run(url,
	       "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET synchronous_commit = off'; END $$");
	struct db *fresh = open_as(DB_MODE_WRITER);
	OK(db_begin(fresh, &e));
	expect_setting(fresh, "synchronous_commit", "on");
	db_close(fresh);
}

static void test_errors(void **state)
{
	int64_t changed;
	OK(db_begin(db, &e));
	OK(add(db, 1, "a"));
	OK(db_commit(db, &e));
	OK(db_begin(db, &e));
	FAILS(db_exec(db, ADD, DB_ARGS(db_int(1), db_null(), db_null()), &changed, &e), ERR_CONFLICT);
	assert_true(db_must_repeat(db));
	assert_true(db_is_undone(db));
	assert_false(db_is_lost(db));
	assert_true(db_is_in_transaction(db));
	/* Whoever goes on regardless is told at the commit. */
	FAILS(db_commit(db, &e), ERR_INTERNAL);
	assert_false(db_is_in_transaction(db));
	OK(db_begin(db, &e));
	assert_false(db_must_repeat(db));
	FAILS(db_exec(db, ADD, DB_ARGS(db_int(2), db_str("no"), db_null()), &changed, &e), ERR_INTERNAL);
	assert_false(db_must_repeat(db));
	db_rollback(db);
	FAILS(db_query(db, BAD, DB_NO_ARGS, &(struct db_rows){ .db = NULL }, &e), ERR_INTERNAL);
	assert_non_null(strstr(e.text, "bad"));
	/* The failed preparation is not remembered as one that went well. */
	FAILS(db_query(db, BAD, DB_NO_ARGS, &(struct db_rows){ .db = NULL }, &e), ERR_INTERNAL);
	assert_non_null(strstr(e.text, "nowhere"));
	FAILS(db_exec(db, STATEMENTS, DB_NO_ARGS, NULL, &e), ERR_INTERNAL);
	FAILS(db_exec(db, ALL, DB_NO_ARGS, &changed, &e), ERR_INTERNAL);
	FAILS(db_exec(db, ADD, DB_ARGS(db_int(2), db_str("\xff"), db_null()), &changed, &e), ERR_INVALID);
	assert_int_equal(count(), 1);
}

static void test_what_is_held_back_names_itself(void **state)
{
	int64_t n = 0;
	OK(db_begin(db, &e));
	OK(add(db, 1, "a"));
	/* Nobody waits for this one, nor for those that follow. */
	OK(db_exec(db, FAIL_LATE, DB_ARGS(db_int(1)), NULL, &e));
	OK(add(db, 2, "b"));
	FAILS(db_get_int(db, COUNT, DB_NO_ARGS, &n, &e), ERR_INTERNAL);
	assert_non_null(strstr(e.text, "fail_late"));
	db_rollback(db);

	OK(db_begin(db, &e));
	OK(add(db, 1, "a"));
	OK(db_savepoint(db, &e));
	OK(db_exec(db, FAIL_LATE, DB_ARGS(db_int(1)), NULL, &e));
	FAILS(db_release(db, &e), ERR_INTERNAL);
	assert_non_null(strstr(e.text, "fail_late"));
	OK(db_rollback_to(db, &e));
	OK(db_savepoint(db, &e));
	OK(add(db, 3, "c"));
	OK(db_release(db, &e));
	/* Undone before its error was ever seen. */
	OK(db_savepoint(db, &e));
	OK(db_exec(db, FAIL_LATE, DB_ARGS(db_int(1)), NULL, &e));
	OK(db_rollback_to(db, &e));
	OK(db_commit(db, &e));
	assert_int_equal(count(), 2);

	OK(db_begin(db, &e));
	OK(db_exec(db, FAIL_LATE, DB_ARGS(db_int(1)), NULL, &e));
	FAILS(db_commit(db, &e), ERR_INTERNAL);
	assert_non_null(strstr(e.text, "fail_late"));
	db_rollback(db);
	assert_false(db_is_in_transaction(db));
}

static void test_many_held_back(void **state)
{
	OK(db_begin(db, &e));
	for (int i = 0; i < 3000; i++)
		OK(add(db, i, "x"));
	OK(db_commit(db, &e));
	assert_int_equal(count(), 3000);
}

static void test_what_must_change(void **state)
{
	OK(db_begin(db, &e));
	OK(add(db, 1, "a"));
	OK(db_exec_must(db, TOUCH, DB_ARGS(db_int(1)), &e));
	OK(db_commit(db, &e));
	OK(db_begin(db, &e));
	OK(add(db, 2, "b"));
	OK(db_exec_must(db, TOUCH, DB_ARGS(db_int(7)), &e));
	/* It is known before anything is committed. */
	FAILS(db_commit(db, &e), ERR_STALE);
	assert_true(db_must_repeat(db));
	db_rollback(db);
	assert_int_equal(count(), 1);
	OK(db_begin(db, &e));
	OK(db_savepoint(db, &e));
	OK(db_exec_must(db, TOUCH, DB_ARGS(db_int(7)), &e));
	FAILS(db_release(db, &e), ERR_STALE);
	db_rollback(db);
}

static void test_begin_with(void **state)
{
	OK(db_begin_with(db, ADD, DB_ARGS(db_int(1), db_null(), db_null()), &e));
	OK(db_commit(db, &e));
	FAILS(db_begin_with(db, ADD, DB_ARGS(db_int(1), db_null(), db_null()), &e), ERR_CONFLICT);
	db_rollback(db);
	assert_int_equal(count(), 1);
}

static void cut(struct db *whose)
{
	int64_t pid = 0;
	char sql[96];
	OK(db_get_int(whose, PID, DB_NO_ARGS, &pid, &e));
	snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 5000)", (int)pid);
	pg_run(url, sql);
}

static void expect_lost(void)
{
	assert_true(db_is_lost(db));
	assert_true(db_must_repeat(db));
	assert_false(db_is_in_transaction(db));
	/* Nothing goes until there is a new connection, and nothing crashes. */
	FAILS(add(db, 9, "x"), ERR_BUSY);
	FAILS(db_begin(db, &e), ERR_BUSY);
	FAILS(db_script(db, "SELECT 1", &e), ERR_BUSY);
	db_rollback(db);
	OK(db_reconnect(db, &e));
	assert_false(db_is_lost(db));
	OK(db_begin(db, &e));
	OK(add(db, 100, "again"));
	OK(db_commit(db, &e));
	assert_int_equal(count(), 1);
}

static void test_lost_at_begin(void **state)
{
	cut(db);
	FAILS(db_begin(db, &e), ERR_BUSY);
	expect_lost();
}

static void test_lost_at_a_statement(void **state)
{
	int64_t changed;
	OK(db_begin(db, &e));
	OK(add(db, 1, "a"));
	cut(db);
	FAILS(db_exec(db, ADD, DB_ARGS(db_int(2), db_null(), db_null()), &changed, &e), ERR_BUSY);
	expect_lost();
}

static void test_lost_by_itself(void **state)
{
	struct db_rows r;
	OK(db_begin(db, &e));
	FAILS(db_query(db, KILL, DB_NO_ARGS, &r, &e), ERR_BUSY);
	expect_lost();
}

static void test_lost_at_commit(void **state)
{
	OK(db_begin(db, &e));
	OK(add(db, 1, "a"));
	cut(db);
	FAILS(db_commit(db, &e), ERR_UNCERTAIN);
	expect_lost();
}

static void test_unreachable(void **state)
{
	struct db *got;
	FAILS(db_open(&got,
		      &(struct db_options){ "postgresql", "postgresql:///x?host=/nowhere", DB_MODE_WRITER,
					    stmts, STATEMENTS },
		      &e),
	      ERR_UNREACHABLE);
	assert_null(got);
}

static void test_a_lock_is_not_waited_for_for_ever(void **state)
{
	struct db_rows r;
	OK(db_begin(db, &e));
	OK(add(db, 1, "a"));
	OK(db_commit(db, &e));
	OK(db_begin(db, &e));
	OK(db_query(db, LOCK, DB_ARGS(db_int(1)), &r, &e));
	db_rows_end(&r);
	OK(db_begin(other, &e));
	FAILS(db_query(other, LOCK, DB_ARGS(db_int(1)), &r, &e), ERR_BUSY);
	assert_true(db_must_repeat(other));
	assert_false(db_is_lost(other));
	db_rollback(other);
	OK(db_commit(db, &e));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_values),
		TEST(test_settings_are_the_transactions),
		TEST(test_errors),
		TEST(test_what_is_held_back_names_itself),
		TEST(test_many_held_back),
		TEST(test_what_must_change),
		TEST(test_begin_with),
		TEST(test_lost_at_begin),
		TEST(test_lost_at_a_statement),
		TEST(test_lost_by_itself),
		TEST(test_lost_at_commit),
		TEST(test_unreachable),
		TEST(test_a_lock_is_not_waited_for_for_ever),
	};
	setenv("SLIPWAY_TEST_DB", "postgres", 1);
	if (pg_skip_all())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
