#include "db/db.h"

#include <string.h>

#include "base/arena.h"
#include "base/clean.h"
#include "base/err.h"
#include "db/db_priv.h"

static const struct db_driver *const drivers[] = {
	&db_driver_sqlite,
	&db_driver_postgres,
};

int db_open(struct db **out, const struct db_options *o, struct err *e)
{
	*out = NULL;
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		if (strcmp(drivers[i]->name, o->driver) == 0)
			return drivers[i]->open(out, o, e);
	return err_set(e, ERR_UNSUPPORTED, "no database driver %s", o->driver);
}

void db_close(struct db *db)
{
	if (db)
		db->driver->close(db);
}

unsigned db_caps(const struct db *db)
{
	return db->driver->caps;
}

bool db_is_broken(const struct db *db)
{
	return db->is_broken;
}

bool db_is_lost(const struct db *db)
{
	return db->is_lost;
}

bool db_must_repeat(const struct db *db)
{
	return db->must_repeat;
}

int db_reconnect(struct db *db, struct err *e)
{
	return db->driver->reconnect ? db->driver->reconnect(db, e) : 0;
}

int db_wait(struct db *db, int wake_fd, int timeout_ms, db_heard_fn *fn, void *ctx, struct err *e)
{
	return db->driver->wait(db, wake_fd, timeout_ms, fn, ctx, e);
}

int64_t db_began_ms(const struct db *db)
{
	return db->began_ms;
}

bool db_is_undone(const struct db *db)
{
	return db->driver->is_undone && db->driver->is_undone(db);
}

struct db_value db_str(const char *s)
{
	return s ? (struct db_value){ .type = DB_STR, .p = s, .n = strlen(s) } : db_null();
}

struct db_value db_str_or_null(const char *s)
{
	return db_str(s && *s ? s : NULL);
}

int db_exec(struct db *db, int stmt, const struct db_value *args, size_t n, int64_t *changed, struct err *e)
{
	return db->driver->exec(db, stmt, args, n, changed, e);
}

int db_exec_must(struct db *db, int stmt, const struct db_value *args, size_t n, struct err *e)
{
	int64_t changed = 0;
	if (db->driver->exec_must)
		return db->driver->exec_must(db, stmt, args, n, e);
	if (db_exec(db, stmt, args, n, &changed, e) < 0)
		return -1;
	return changed ? 0 : err_set(e, ERR_STALE, "statement %d changed nothing", stmt);
}

int db_query(struct db *db, int stmt, const struct db_value *args, size_t n, struct db_rows *rows,
	     struct err *e)
{
	*rows = (struct db_rows){ .db = db };
	return db->driver->query(db, stmt, args, n, rows, e);
}

int db_next(struct db_rows *rows, struct err *e)
{
	int rc = rows->at ? rows->db->driver->next(rows, e) : 0;
	if (rc <= 0)
		db_rows_end(rows);
	return rc;
}

void db_rows_end(struct db_rows *rows)
{
	if (rows->at)
		rows->db->driver->end(rows);
	rows->at = NULL;
}

int64_t db_col_int(struct db_rows *rows, int col)
{
	return rows->db->driver->col_int(rows, col);
}

bool db_col_is_null(struct db_rows *rows, int col)
{
	return rows->db->driver->col_is_null(rows, col);
}

const void *db_col_blob(struct db_rows *rows, int col, size_t *n)
{
	return rows->db->driver->col_bytes(rows, col, n);
}

const char *db_col_text(struct db_rows *rows, int col)
{
	size_t n;
	const char *s = rows->db->driver->col_bytes(rows, col, &n);
	return s ? s : "";
}

char *db_col_str(struct db_rows *rows, int col, struct arena *a)
{
	size_t n = 0;
	const char *s = rows->db->driver->col_bytes(rows, col, &n);
	return arena_strndup(a, s ? s : "", s ? n : 0);
}

int db_get_int(struct db *db, int stmt, const struct db_value *args, size_t n, int64_t *out, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (db_query(db, stmt, args, n, &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc > 0)
		*out = db_col_int(&rows, 0);
	return rc < 0 ? -1 : 0;
}

int db_begin(struct db *db, struct err *e)
{
	return db->driver->control(db, DB_BEGIN, e);
}

int db_begin_with(struct db *db, int stmt, const struct db_value *args, size_t n, struct err *e)
{
	if (db->driver->begin_with)
		return db->driver->begin_with(db, stmt, args, n, e);
	return db_begin(db, e) < 0 ? -1 : db_exec(db, stmt, args, n, NULL, e);
}

int db_commit(struct db *db, struct err *e)
{
	return db->driver->control(db, DB_COMMIT, e);
}

void db_rollback(struct db *db)
{
	if (db_is_in_transaction(db))
		db->driver->control(db, DB_ROLLBACK, NULL);
}

bool db_is_in_transaction(const struct db *db)
{
	return db->driver->is_in_transaction(db);
}

int db_savepoint(struct db *db, struct err *e)
{
	return db->driver->control(db, DB_SAVEPOINT, e);
}

int db_release(struct db *db, struct err *e)
{
	return db->driver->control(db, DB_RELEASE, e);
}

int db_rollback_to(struct db *db, struct err *e)
{
	if (db->driver->control(db, DB_ROLLBACK_TO, e) < 0)
		return -1;
	return db->driver->control(db, DB_RELEASE, e);
}

int db_script(struct db *db, const char *sql, struct err *e)
{
	return db->driver->script(db, sql, e);
}
