/* SQLite. Debian 12's 3.40 can corrupt a file in WAL mode that two connections write or checkpoint at once
 * (fixed in 3.51.3): therefore one connection does both, and a reader neither writes nor checkpoints, not
 * even when it is closed. */
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/clean.h"
#include "base/err.h"
#include "db/db_priv.h"

enum { ARGS_MAX = 40, BUSY_TIMEOUT_MS = 2000 };

struct prepared {
	sqlite3_stmt *st;
	bool is_in_use;
	unsigned char args;	       /* highest N of $N */
	unsigned char place[ARGS_MAX]; /* SQLite's number of $N+1; 0 = not in the text */
	const struct db_stmt *text;
};

struct sqlite_db {
	struct db db;
	sqlite3 *h;
	sqlite3_stmt *controls[DB_CONTROLS];
	struct prepared *prepared;
	const struct db_stmt *stmts;
	size_t stmts_len;
	enum db_mode mode;
};

static const char *const control_sql[DB_CONTROLS] = {
	[DB_BEGIN] = "BEGIN IMMEDIATE", [DB_COMMIT] = "COMMIT",
	[DB_ROLLBACK] = "ROLLBACK",	[DB_SAVEPOINT] = "SAVEPOINT task",
	[DB_RELEASE] = "RELEASE task",	[DB_ROLLBACK_TO] = "ROLLBACK TO task",
};

/* synchronous=FULL: an answer means it is durable. No mmap: a read error would be a signal. */
static const char *const mode_sql[] = {
	[DB_MODE_CREATE] = "PRAGMA page_size=4096; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
	[DB_MODE_WRITER] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
			   "PRAGMA mmap_size=0; PRAGMA cache_size=-65536; PRAGMA wal_autocheckpoint=4000;"
			   "PRAGMA journal_size_limit=67108864; PRAGMA temp_store=MEMORY;"
			   "PRAGMA trusted_schema=OFF; PRAGMA secure_delete=OFF;",
	[DB_MODE_READER] = "PRAGMA query_only=ON; PRAGMA wal_autocheckpoint=0; PRAGMA mmap_size=0;"
			   "PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;",
	[DB_MODE_PROBE] = "PRAGMA query_only=ON; PRAGMA wal_autocheckpoint=0; PRAGMA mmap_size=0;"
			  "PRAGMA trusted_schema=OFF;",
};

static struct sqlite_db *of(struct db *db)
{
	return (struct sqlite_db *)db;
}

static enum err_code code_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_TOOBIG:
		return ERR_TOO_LARGE;
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
		return ERR_SYSTEM;
	case SQLITE_CONSTRAINT:
		return rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
				       rc == SQLITE_CONSTRAINT_ROWID
			       ? ERR_CONFLICT
			       : ERR_INTERNAL;
	default:
		return ERR_INTERNAL;
	}
}

static int fail(struct sqlite_db *s, const char *what, struct err *e)
{
	int rc = sqlite3_extended_errcode(s->h);
	int primary = rc & 0xff;
	/* A disk that is full lost nothing: the transaction is undone. Any other failed I/O leaves the log
	 * in a state nobody knows. */
	if (primary == SQLITE_IOERR || primary == SQLITE_CORRUPT)
		s->db.is_broken = true;
	err_set(e, code_of(rc), "database: %s: %s", what, sqlite3_errmsg(s->h));
	if (e && e->code == ERR_SYSTEM)
		e->sys = primary == SQLITE_FULL ? ENOSPC : sqlite3_system_errno(s->h);
	return -1;
}

static void sqlite_close(struct db *db)
{
	struct sqlite_db *s = of(db);
	for (size_t i = 0; s->prepared && i < s->stmts_len; i++)
		sqlite3_finalize(s->prepared[i].st);
	for (size_t i = 0; i < DB_CONTROLS; i++)
		sqlite3_finalize(s->controls[i]);
	free(s->prepared);
	sqlite3_close(s->h);
	free(s);
}

/* Statistics of memory take a lock that all connections share, at each allocation. Too late if somebody
 * else has used SQLite already; that costs speed and nothing else. */
static void configure(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int set_up(struct sqlite_db *s, const struct db_options *o, struct err *e)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW;
	if (o->mode == DB_MODE_CREATE)
		flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	else
		flags |= o->mode == DB_MODE_WRITER ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
	if (sqlite3_open_v2(o->path, &s->h, flags, NULL) != SQLITE_OK)
		return s->h ? fail(s, o->path, e) : err_set(e, ERR_NOMEM, "open database %s", o->path);
	sqlite3_busy_timeout(s->h, BUSY_TIMEOUT_MS);
	sqlite3_db_config(s->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (o->mode == DB_MODE_READER || o->mode == DB_MODE_PROBE)
		sqlite3_db_config(s->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (sqlite3_exec(s->h, mode_sql[o->mode], NULL, NULL, NULL) != SQLITE_OK)
		return fail(s, o->path, e);
	return 0;
}

static int sqlite_open(struct db **out, const struct db_options *o, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, configure);
	struct sqlite_db *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(e, ERR_NOMEM, "open database");
	s->db.driver = &db_driver_sqlite;
	s->stmts = o->stmts;
	s->stmts_len = o->stmts_len;
	s->mode = o->mode;
	s->prepared = calloc(o->stmts_len + 1, sizeof *s->prepared);
	int rc = s->prepared ? set_up(s, o, e) : err_set(e, ERR_NOMEM, "open database");
	if (rc < 0) {
		sqlite_close(&s->db);
		return -1;
	}
	*out = &s->db;
	return 0;
}

/* SQLite numbers $N by its first appearance: ask for each by name. */
static int find_places(struct prepared *p, struct err *e)
{
	int params = sqlite3_bind_parameter_count(p->st);
	char name[8];
	for (int n = 1; n <= ARGS_MAX; n++) {
		snprintf(name, sizeof name, "$%d", n);
		int place = sqlite3_bind_parameter_index(p->st, name);
		p->place[n - 1] = (unsigned char)place;
		if (place) {
			p->args = (unsigned char)n;
			params--;
		}
	}
	return params ? err_set(e, ERR_INTERNAL, "statement %s: a parameter that is not $1…$%d",
				p->text->name, ARGS_MAX)
		      : 0;
}

static struct prepared *prepare(struct sqlite_db *s, int stmt, struct err *e)
{
	if (stmt < 0 || (size_t)stmt >= s->stmts_len) {
		err_set(e, ERR_INTERNAL, "no statement %d", stmt);
		return NULL;
	}
	struct prepared *p = &s->prepared[stmt];
	if (!p->st) {
		p->text = &s->stmts[stmt];
		if (sqlite3_prepare_v3(s->h, p->text->sql, -1, SQLITE_PREPARE_PERSISTENT, &p->st, NULL) !=
		    SQLITE_OK) {
			fail(s, p->text->name, e);
			return NULL;
		}
		if (find_places(p, e) < 0) {
			sqlite3_finalize(p->st);
			p->st = NULL;
			return NULL;
		}
	}
	if (p->is_in_use) {
		err_set(e, ERR_INTERNAL, "statement %s is in use", p->text->name);
		return NULL;
	}
	return p;
}

static int bind_one(struct prepared *p, int place, const struct db_value *v, sqlite3_destructor_type life)
{
	switch (v->type) {
	case DB_NULL:
		return sqlite3_bind_null(p->st, place);
	case DB_INT:
		return sqlite3_bind_int64(p->st, place, v->i);
	case DB_STR:
		return sqlite3_bind_text64(p->st, place, v->p, v->n, life, SQLITE_UTF8);
	case DB_BLOB:
		/* A NULL pointer would be stored as NULL. */
		return sqlite3_bind_blob64(p->st, place, v->p ? v->p : "", v->n, life);
	}
	return SQLITE_MISUSE;
}

static int bind(struct sqlite_db *s, struct prepared *p, const struct db_value *args, size_t n,
		sqlite3_destructor_type life, struct err *e)
{
	if (n != p->args)
		return err_set(e, ERR_INTERNAL, "statement %s wants %d values, got %zu", p->text->name,
			       p->args, n);
	for (size_t i = 0; i < n; i++)
		if (p->place[i] && bind_one(p, p->place[i], &args[i], life) != SQLITE_OK)
			return fail(s, p->text->name, e);
	return 0;
}

static int sqlite_exec(struct db *db, int stmt, const struct db_value *args, size_t n, int64_t *changed,
		       struct err *e)
{
	struct sqlite_db *s = of(db);
	struct prepared *p = prepare(s, stmt, e);
	if (!p || bind(s, p, args, n, SQLITE_STATIC, e) < 0)
		return -1;
	int rc = sqlite3_step(p->st);
	if (rc != SQLITE_DONE) {
		if (rc == SQLITE_ROW)
			err_set(e, ERR_INTERNAL, "statement %s gives rows", p->text->name);
		else
			fail(s, p->text->name, e);
		sqlite3_reset(p->st);
		return -1;
	}
	if (changed)
		*changed = sqlite3_changes64(s->h);
	sqlite3_reset(p->st);
	return 0;
}

static int sqlite_query(struct db *db, int stmt, const struct db_value *args, size_t n, struct db_rows *rows,
			struct err *e)
{
	struct sqlite_db *s = of(db);
	struct prepared *p = prepare(s, stmt, e);
	/* A cursor outlives the caller's values. */
	if (!p || bind(s, p, args, n, SQLITE_TRANSIENT, e) < 0)
		return -1;
	p->is_in_use = true;
	rows->at = p;
	return 0;
}

static int sqlite_next(struct db_rows *rows, struct err *e)
{
	struct prepared *p = rows->at;
	int rc = sqlite3_step(p->st);
	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : fail(of(rows->db), p->text->name, e);
}

static void sqlite_end(struct db_rows *rows)
{
	struct prepared *p = rows->at;
	sqlite3_reset(p->st);
	p->is_in_use = false;
}

static sqlite3_stmt *stmt_of(struct db_rows *rows)
{
	return ((struct prepared *)rows->at)->st;
}

static int64_t sqlite_col_int(struct db_rows *rows, int col)
{
	return sqlite3_column_int64(stmt_of(rows), col);
}

static bool sqlite_col_is_null(struct db_rows *rows, int col)
{
	return sqlite3_column_type(stmt_of(rows), col) == SQLITE_NULL;
}

static const void *sqlite_col_bytes(struct db_rows *rows, int col, size_t *n)
{
	sqlite3_stmt *st = stmt_of(rows);
	const void *p = sqlite3_column_type(st, col) == SQLITE_BLOB
				? sqlite3_column_blob(st, col)
				: (const void *)sqlite3_column_text(st, col);
	*n = (size_t)sqlite3_column_bytes(st, col);
	return p;
}

static int sqlite_control(struct db *db, enum db_control c, struct err *e)
{
	struct sqlite_db *s = of(db);
	const char *sql = c == DB_BEGIN && s->mode != DB_MODE_WRITER && s->mode != DB_MODE_CREATE
				  ? "BEGIN"
				  : control_sql[c];
	if (!s->controls[c] &&
	    sqlite3_prepare_v3(s->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->controls[c], NULL) != SQLITE_OK)
		return fail(s, sql, e);
	int rc = sqlite3_step(s->controls[c]);
	int result = 0;
	if (rc != SQLITE_DONE) {
		result = fail(s, sql, e);
		/* Frames may be in the log already, and count when it is opened next. */
		if (c == DB_COMMIT && s->db.is_broken && e)
			e->code = ERR_UNCERTAIN;
	}
	sqlite3_reset(s->controls[c]);
	return result;
}

static bool sqlite_is_in_transaction(const struct db *db)
{
	const struct sqlite_db *s = (const struct sqlite_db *)db;
	return !sqlite3_get_autocommit(s->h);
}

static int sqlite_script(struct db *db, const char *sql, struct err *e)
{
	struct sqlite_db *s = of(db);
	return sqlite3_exec(s->h, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(s, "script", e);
}

const struct db_driver db_driver_sqlite = {
	.name = "sqlite",
	.caps = DB_SINGLE_WRITER,
	.open = sqlite_open,
	.close = sqlite_close,
	.exec = sqlite_exec,
	.query = sqlite_query,
	.next = sqlite_next,
	.end = sqlite_end,
	.col_int = sqlite_col_int,
	.col_is_null = sqlite_col_is_null,
	.col_bytes = sqlite_col_bytes,
	.control = sqlite_control,
	.is_in_transaction = sqlite_is_in_transaction,
	.script = sqlite_script,
};
