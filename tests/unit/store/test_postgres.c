/* On PostgreSQL: every statement prepares with the types the driver sends and reads; the schema is SQLite's; and
 * the statements that give work out use the index that was made for it, whatever the statistics say. */
#include "test.h"

#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "contract/pg_fixture.h"
#include "contract/store_fixture.h"
#include "store/statements.h"

static struct fx *fx;
static PGconn *c;

static PGresult *run(const char *sql, ExecStatusType expected)
{
	PGresult *r = PQexec(c, sql);
	if (PQresultStatus(r) != expected)
		fail_msg("%s: %s", sql, PQerrorMessage(c));
	return r;
}

static void command(const char *sql)
{
	PQclear(run(sql, PGRES_COMMAND_OK));
}

static int set_up(void **state)
{
	fx = calloc(1, sizeof *fx);
	fx_init(fx);
	c = PQconnectdb(fx->db_url);
	assert_int_equal(PQstatus(c), CONNECTION_OK);
	command("SET search_path = slipway");
	return 0;
}

static int tear_down(void **state)
{
	PQfinish(c);
	fx_release(fx);
	free(fx);
	return 0;
}

static const char *text_of(int stmt)
{
	return store_statements[stmt].sql_pg ? store_statements[stmt].sql_pg : store_statements[stmt].sql;
}

static void prepare(int stmt)
{
	PGresult *r = PQprepare(c, store_statements[stmt].name, text_of(stmt), 0, NULL);
	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", store_statements[stmt].name, PQerrorMessage(c));
	PQclear(r);
}

static void test_all_prepare(void **state)
{
	for (int i = 0; i < STMT_COUNT; i++) {
		prepare(i);
		PGresult *r = PQdescribePrepared(c, store_statements[i].name);
		for (int k = 0; k < PQnparams(r); k++) {
			Oid type = PQparamtype(r, k);
			if (type != 20 && type != 25 && type != 17)
				fail_msg("%s: $%d is of type %u", store_statements[i].name, k + 1, type);
		}
		for (int k = 0; k < PQnfields(r); k++) {
			Oid type = PQftype(r, k);
			if (type != 20 && type != 25 && type != 17 && type != 16 && type != 23)
				fail_msg("%s: column %d is of type %u", store_statements[i].name, k, type);
		}
		PQclear(r);
	}
}

/* --- the plans --- */

static void read_plan(int stmt, struct buf *out)
{
	CLEAN_BUF struct buf sql = BUF_INIT;
	buf_addf(&sql, "EXPLAIN EXECUTE %s", store_statements[stmt].name);
	PGresult *r = PQdescribePrepared(c, store_statements[stmt].name);
	for (int i = 0; i < PQnparams(r); i++)
		buf_addf(&sql, "%s%s", i ? "," : "(", PQparamtype(r, i) == 25 ? "'x'" : "1");
	if (PQnparams(r))
		buf_addc(&sql, ')');
	PQclear(r);
	r = run(sql.data, PGRES_TUPLES_OK);
	buf_reset(out);
	for (int i = 0; i < PQntuples(r); i++) {
		buf_adds(out, PQgetvalue(r, i, 0));
		buf_addc(out, '\n');
	}
	PQclear(r);
}

static const struct {
	enum stmt stmt;
	const char *uses;
} plans[] = {
	{ STMT_TAKE_LANE, "Index Scan using job_waiting" },
	{ STMT_TAKE_OWNERS, "Index Scan using job_waiting" },
	{ STMT_RUNNING_OWNERS, "using job_leased" },
	{ STMT_OWNER_RUNNING, "using job_leased" },
	{ STMT_OWNER_WAITS, "using job_waiting" },
	{ STMT_KEY_LANE, "using job_key" },
	{ STMT_KEY_OPEN, "using job_key" },
	{ STMT_KEY_BEST_GATED, "using job_key" },
	{ STMT_KEY_WORST_OPEN, "using job_key" },
	{ STMT_SCHEDULED_DUE, "Index Scan using job_scheduled" },
	{ STMT_SCHEDULED_NEXT, "using job_scheduled" },
	{ STMT_LEASE_ENDED, "Index Scan using job_leased" },
	{ STMT_LEASE_RENEW, "Index Scan using job_leased" },
	{ STMT_JOB_MOVE, "Index Scan using job_pkey" },
	{ STMT_JOB_HEAD, "Index Scan using job_pkey" },
	{ STMT_JOB_LIVE_DEDUPE, "using job_dedupe" },
	{ STMT_NEEDED_BY, "using need_back" },
	{ STMT_ATTEMPT_END, "Index Scan using attempt_pkey" },
	{ STMT_DURATION_TAKE, "Index Scan using duration_pkey" },
	{ STMT_DURATION_SET, "Index Scan using duration_pkey" },
	{ STMT_DURATION_RUNNING, "using job_leased" },
	{ STMT_DURATION_AHEAD, "using job_waiting" },
	{ STMT_WRITER_MARK, "Index Scan using writer_pkey" },
};

/* The settings under which the writer's statements are planned; those of src/db/postgres.c. */
static void settings(void)
{
	command("SET plan_cache_mode = force_generic_plan");
	command("SET enable_seqscan = off");
	command("SET enable_bitmapscan = off");
	command("SET enable_sort = off");
}

static void check_plans(const char *when)
{
	CLEAN_BUF struct buf plan = BUF_INIT;
	for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
		read_plan((int)plans[i].stmt, &plan);
		if (!strstr(plan.data, plans[i].uses) || strstr(plan.data, "Seq Scan") ||
		    strstr(plan.data, "Sort"))
			fail_msg("%s, %s:\n%s", when, store_statements[plans[i].stmt].name, plan.data);
	}
}

#define FILL(first, last, state, lane)                                                               \
	"INSERT INTO job SELECT i, 1, " state ", 0, " lane                                           \
	", NULL, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, -1, 0,"                                      \
	" 0, i % 7, NULL, NULL, i, 0, 0, 0, 'x', NULL, NULL, '{}', NULL FROM generate_series(" first \
	", " last ") AS i"

static void test_plans_do_not_flip(void **state)
{
	settings();
	for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
		prepare((int)plans[i].stmt);
	command("ALTER TABLE job DISABLE TRIGGER USER");
	check_plans("empty, no statistics");
	command("ANALYZE");
	check_plans("empty, analyzed");
	command(FILL("1", "5000", "3", "1"));
	check_plans("full, statistics say empty");
	command("ANALYZE");
	check_plans("full, analyzed");
	command("UPDATE job SET state = 8, finished = 1");
	check_plans("all finished, statistics say waiting");
	command("VACUUM ANALYZE");
	check_plans("all finished, analyzed");
	command(FILL("5001", "5010", "3", "i"));
	command("ANALYZE");
	check_plans("ten lanes with one each");
	command("TRUNCATE job CASCADE");
	check_plans("empty, statistics say full");
}

/* --- the schema --- */

/* What PostgreSQL has and SQLite has not, or the other way round, for a reason told in sql/postgres. */
static bool is_own(const char *table, const char *column)
{
	return strcmp(table, "meta") == 0 || strcmp(table, "writer") == 0 || strcmp(table, "server") == 0 ||
	       (strcmp(table, "tally") == 0 && column && strcmp(column, "part") == 0);
}

/* A line for each row of the query on a new SQLite store. */
static void ask_sqlite(const char *sql, struct buf *out)
{
	struct fx *other = calloc(1, sizeof *other);
	char path[128];
	sqlite3 *h;
	sqlite3_stmt *st;
	setenv("SLIPWAY_TEST_DB", "sqlite", 1);
	fx_init(other);
	setenv("SLIPWAY_TEST_DB", "postgres", 1);
	fx_close(other);
	snprintf(path, sizeof path, "%s/slipway.db", other->dir);
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(h, sql, -1, &st, NULL), SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW)
		buf_addf(out, "%s\n", (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	sqlite3_close(h);
	fx_release(other);
	free(other);
}

static void test_the_columns_are_those_of_sqlite(void **state)
{
	CLEAN_BUF struct buf here = BUF_INIT, there = BUF_INIT;
	ask_sqlite(
		"SELECT t.name || '.' || c.name || ' ' || CASE c.type WHEN 'INTEGER' THEN 'bigint' WHEN 'TEXT' THEN"
		" 'text' WHEN 'BLOB' THEN 'bytea' END || ' ' || max(c.\"notnull\", c.pk > 0)"
		" FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'"
		" AND t.name NOT LIKE 'sqlite%' ORDER BY t.name, c.name",
		&there);
	PGresult *r = run(
		"SELECT table_name, column_name, data_type, CASE is_nullable WHEN 'NO' THEN 1 ELSE 0 END"
		" FROM information_schema.columns WHERE table_schema = 'slipway'"
		" ORDER BY table_name COLLATE \"C\", column_name COLLATE \"C\"",
		PGRES_TUPLES_OK);
	for (int i = 0; i < PQntuples(r); i++)
		if (!is_own(PQgetvalue(r, i, 0), PQgetvalue(r, i, 1)))
			buf_addf(&here, "%s.%s %s %s\n", PQgetvalue(r, i, 0), PQgetvalue(r, i, 1),
				 PQgetvalue(r, i, 2), PQgetvalue(r, i, 3));
	PQclear(r);
	assert_string_equal(here.data, there.data);
}

/* The text of each CHECK of one migration, by table and in its order, without what the dialects say differently. */
static void read_checks(const char *file, struct buf *out)
{
	char path[256], line[512], table[64] = "";
	snprintf(path, sizeof path, "%s/%s", getenv("SLIPWAY_SRC"), file);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		char *at = strstr(line, "CREATE TABLE ");
		if (at == line)
			snprintf(table, sizeof table, "%.*s", (int)strcspn(at + 13, " "), at + 13);
		if (line[0] != '\t' || strcmp(table, "tally") == 0 || is_own(table, NULL))
			continue;
		at = strstr(line, "CHECK (");
		if (at)
			buf_addf(out, "%s %.*s: %.*s\n", table, (int)strcspn(line + 1, " "), line + 1,
				 (int)strcspn(at, ",\n") /* the first part tells them apart */, at);
	}
	fclose(f);
}

static void test_the_checks_are_those_of_sqlite(void **state)
{
	CLEAN_BUF struct buf here = BUF_INIT, there = BUF_INIT;
	read_checks("sql/postgres/001-jobs.sql", &here);
	read_checks("sql/sqlite/001-jobs.sql", &there);
	read_checks("sql/postgres/003-many-machines.sql", &here);
	read_checks("sql/sqlite/003-many-machines.sql", &there);
	read_checks("sql/postgres/004-estimates.sql", &here);
	read_checks("sql/sqlite/004-estimates.sql", &there);
	assert_true(strlen(there.data) > 1000);
	assert_string_equal(here.data, there.data);
}

static void test_the_indexes_are_those_of_sqlite(void **state)
{
	CLEAN_BUF struct buf here = BUF_INIT, there = BUF_INIT;
	/* Made by name in both; those of keys are the tables' own. */
	ask_sqlite("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
		   &there);
	PGresult *r = run(
		"SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n"
		" ON n.oid = c.relnamespace WHERE n.nspname = 'slipway' AND NOT EXISTS (SELECT 1 FROM"
		" pg_constraint k WHERE k.conindid = c.oid) ORDER BY c.relname COLLATE \"C\"",
		PGRES_TUPLES_OK);
	for (int i = 0; i < PQntuples(r); i++)
		buf_addf(&here, "%s\n", PQgetvalue(r, i, 0));
	PQclear(r);
	assert_true(strlen(there.data) > 100);
	assert_string_equal(here.data, there.data);
}

/* What a name's runs take is a mean: it is not waited for. */
static void test_a_duration_that_is_held_is_passed_over(void **state)
{
	fx_worker(fx, "w", "s1");
	for (int i = 0; i < 3; i++) {
		struct job_new j = fx_new();
		struct job_birth b;
		j.name = "held";
		assert_int_equal(fx_submit(fx, &j, 1, &b), 0);
		if (i == 1)
			command("BEGIN");
		if (i == 1)
			PQclear(run("SELECT * FROM duration FOR UPDATE", PGRES_TUPLES_OK));
		assert_int_equal(fx_run(fx, b.id, OUTCOME_SUCCEEDED), 0);
		if (i == 1)
			command("COMMIT");
	}
	PGresult *r = run("SELECT n FROM duration WHERE name = 'held'", PGRES_TUPLES_OK);
	assert_int_equal(PQntuples(r), 1);
	assert_string_equal(PQgetvalue(r, 0, 0), "2");
	PQclear(r);
}

static void refuses(const char *sql, const char *why)
{
	PGresult *r = PQexec(c, sql);
	assert_int_equal(PQresultStatus(r), PGRES_FATAL_ERROR);
	assert_non_null(strstr(PQresultErrorMessage(r), why));
	PQclear(r);
}

static void test_the_database_refuses_by_itself(void **state)
{
	command(FILL("1", "1", "3", "1"));
	refuses("UPDATE job SET state = 8, finished = 1", "illegal change of state");
	refuses("UPDATE job SET state = 4", "violates check");
	command("UPDATE job SET state = 4, lease_until = 5");
	refuses(FILL("2", "2", "4", "1"), "illegal state at birth");
	refuses("DELETE FROM event", "events are only added");
	refuses("UPDATE event SET n = 2", "events are only added");
	command("DELETE FROM job");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_all_prepare),
		TEST(test_plans_do_not_flip),
		TEST(test_the_columns_are_those_of_sqlite),
		TEST(test_the_checks_are_those_of_sqlite),
		TEST(test_the_indexes_are_those_of_sqlite),
		TEST(test_a_duration_that_is_held_is_passed_over),
		TEST(test_the_database_refuses_by_itself),
	};
	setenv("SLIPWAY_TEST_DB", "postgres", 1);
	if (pg_skip_all())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
