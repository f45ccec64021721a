#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pg_fixture.h"

#include "base/err.h"
#include "db/db.h"

bool pg_is_wanted(void)
{
	const char *db = getenv("SLIPWAY_TEST_DB");
	return db && strcmp(db, "postgres") == 0;
}

static const char *base_url(void)
{
	return getenv("SLIPWAY_TEST_PG");
}

bool pg_skip_all(void)
{
	const char *url = base_url();
	if (!pg_is_wanted() || (url && *url))
		return false;
	printf("1..0 # SKIP there is no PostgreSQL to test with (tests/pg)\n");
	return true;
}

void pg_run(const char *url, const char *sql)
{
	static const struct db_stmt none[1];
	struct err e = ERR_INIT;
	struct db *db;
	if (db_open(&db,
		    &(struct db_options){ "postgresql", url ? url : base_url(), DB_MODE_WRITER, none, 0 },
		    &e) < 0 ||
	    db_script(db, sql, &e) < 0)
		fail_msg("%s: %s", sql, e.text);
	db_close(db);
}

char *pg_new_database(void)
{
	static int count;
	const char *base = base_url(), *rest = strstr(base, "/postgres?");
	char name[64], sql[128];
	char *url;
	assert_non_null(rest);
	snprintf(name, sizeof name, "t%d_%d", (int)getpid(), count++);
	snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
	pg_run(NULL, sql);
	if (asprintf(&url, "%.*s/%s?%s", (int)(rest - base), base, name, rest + strlen("/postgres?")) < 0)
		fail_msg("out of memory");
	return url;
}

void pg_drop_database(const char *url)
{
	char sql[160];
	if (!url)
		return;
	const char *name = strstr(url, "///") + 3;
	snprintf(sql, sizeof sql, "DROP DATABASE %.*s WITH (FORCE)", (int)strcspn(name, "?"), name);
	pg_run(NULL, sql);
}
