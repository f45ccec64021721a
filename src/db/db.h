/* One SQL interface for every database; it knows no table.
 *
 * A connection is given a table of statements when it is opened; each is prepared once, when first used,
 * and named by its number in the table from then on. Values are always bound: parameters are written $1,
 * $2 … in the text and given by DB_ARGS(db_int(7), db_str("x")). A statement can be used again only when
 * its cursor was ended.
 *
 *   struct db_rows r;
 *   if (db_query(db, STMT_X, DB_ARGS(db_int(id)), &r, e) < 0)
 *           return -1;
 *   int rc;
 *   while ((rc = db_next(&r, e)) > 0)
 *           use(db_col_int(&r, 0));
 *   db_rows_end(&r);
 *
 * A connection belongs to one thread at a time. Errors: ERR_CONFLICT a value that must be unique is there
 * already; ERR_BUSY later it may go; ERR_UNREACHABLE no database answers; ERR_CORRUPT; ERR_SYSTEM the disk; ERR_UNCERTAIN the commit may or may not have
 * happened; ERR_INTERNAL a rule of the schema was broken, or a statement is wrong. After an error that
 * ended the transaction by itself db_is_in_transaction() is false. After a failed write or fsync
 * db_is_broken() is true: what the disk holds is then unknown until the file is opened anew, so nothing
 * may be written any more.
 *
 * Where many write at once (DB_SKIP_LOCKED), an error may be no more than bad luck: a deadlock, a value that
 * somebody else was the first to add, a connection that broke. db_must_repeat() is then true until the next
 * begin: whatever became of the statement, the whole transaction is lost and may be run again from its
 * begin, after db_reconnect() if db_is_lost().
 *
 * A driver may hold back a statement whose *changed is not asked for; its error then comes from a later
 * call, at the latest from db_release() or db_commit(), and names the statement it belongs to. */
#ifndef SLIPWAY_DB_DB_H
#define SLIPWAY_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct db;
struct err;

struct db_stmt {
	const char *name; /* for messages */
	const char *sql;
	const char *sql_pg; /* on PostgreSQL; NULL = the same text */
};

/* What a database can do; drivers differ in this and in nothing else that shows. */
enum {
	DB_SINGLE_WRITER = 1, /* one connection writes, and nobody else sees the rows while it does */
	DB_SKIP_LOCKED = 2,   /* many take from one table at once by FOR UPDATE SKIP LOCKED */
	DB_REMOTE = 4,	      /* a connection can break, and with it the answer to a commit */
};

enum db_mode {
	DB_MODE_CREATE, /* a new file, without write-ahead log; refuses one that exists */
	DB_MODE_WRITER, /* the one connection that writes and checkpoints */
	DB_MODE_READER, /* reads only, never checkpoints */
	DB_MODE_PROBE, /* looks at a file that may be damaged or somebody else's, and changes no byte of it */
};

struct db_options {
	const char *driver;	     /* "sqlite", "postgresql" */
	const char *path;	     /* sqlite: the file; postgresql: the URL */
	enum db_mode mode;	     /* postgresql: DB_MODE_READER, or one that writes */
	const struct db_stmt *stmts; /* stay the caller's, and stay */
	size_t stmts_len;
	const char *schema; /* postgresql: where unqualified names are looked for; stays */
};

int db_open(struct db **out, const struct db_options *o, struct err *e);
void db_close(struct db *db); /* NULL is fine */
unsigned db_caps(const struct db *db);
bool db_is_broken(const struct db *db);
/* The connection is gone, and with it the transaction. */
bool db_is_lost(const struct db *db);
bool db_must_repeat(const struct db *db);
/* A new connection for one that is lost. ERR_UNREACHABLE. */
int db_reconnect(struct db *db, struct err *e);

enum db_type { DB_NULL, DB_INT, DB_STR, DB_BLOB };
struct db_value {
	enum db_type type;
	int64_t i;
	const void *p;
	size_t n;
};
static inline struct db_value db_null(void)
{
	return (struct db_value){ .type = DB_NULL };
}
static inline struct db_value db_int(int64_t i)
{
	return (struct db_value){ .type = DB_INT, .i = i };
}
/* 0 is stored as NULL: for references. */
static inline struct db_value db_ref(int64_t i)
{
	return i ? db_int(i) : db_null();
}
struct db_value db_str(const char *s); /* NULL gives NULL */
/* "" is stored as NULL. */
struct db_value db_str_or_null(const char *s);
static inline struct db_value db_blob(const void *p, size_t n)
{
	return (struct db_value){ .type = DB_BLOB, .p = p, .n = n };
}
#define DB_ARGS(...)                              \
	(const struct db_value[]){ __VA_ARGS__ }, \
		sizeof((const struct db_value[]){ __VA_ARGS__ }) / sizeof(struct db_value)
#define DB_NO_ARGS NULL, 0

/* Run a statement that gives no rows. *changed (may be NULL): rows inserted, updated or deleted. */
int db_exec(struct db *db, int stmt, const struct db_value *args, size_t n, int64_t *changed, struct err *e);

/* One that must change a row: ERR_STALE if it does not, which may be told later and then means that the whole
 * transaction must be repeated. */
int db_exec_must(struct db *db, int stmt, const struct db_value *args, size_t n, struct err *e);

struct db_rows {
	struct db *db;
	void *at; /* NULL: ended */
};
int db_query(struct db *db, int stmt, const struct db_value *args, size_t n, struct db_rows *rows,
	     struct err *e);
/* 1 a row, 0 no more, -1 error. After 0 or -1 it has ended. */
int db_next(struct db_rows *rows, struct err *e);
void db_rows_end(struct db_rows *rows);
#define CLEAN_ROWS __attribute__((cleanup(db_rows_end)))
/* Columns of the current row. NULL reads as 0, "" and no bytes. */
int64_t db_col_int(struct db_rows *rows, int col);
bool db_col_is_null(struct db_rows *rows, int col);
/* Borrowed until the next db_next(). */
const char *db_col_text(struct db_rows *rows, int col);
const void *db_col_blob(struct db_rows *rows, int col, size_t *n);
/* Copied; NULL: out of memory. */
char *db_col_str(struct db_rows *rows, int col, struct arena *a);
/* Query for one number: *out is left alone if there is no row. */
int db_get_int(struct db *db, int stmt, const struct db_value *args, size_t n, int64_t *out, struct err *e);

/* Transactions. begin takes the right to write at once (a reader: a snapshot). */
int db_begin(struct db *db, struct err *e);
/* The same and a first statement, which gives no rows, in one round trip: it has been executed when this
 * returns. */
int db_begin_with(struct db *db, int stmt, const struct db_value *args, size_t n, struct err *e);
int db_commit(struct db *db, struct err *e);
/* Cannot fail in a way that matters: what was not committed is not there. */
void db_rollback(struct db *db);
bool db_is_in_transaction(const struct db *db);
/* A statement has failed inside the transaction and the database will undo all of it, or all since the
 * savepoint, whatever else is tried in it. */
bool db_is_undone(const struct db *db);
/* The database's wall clock when the newest transaction began; 0 where it has none of its own. */
int64_t db_began_ms(const struct db *db);
/* One savepoint at a time. rollback_to undoes what came after it and ends it. */
int db_savepoint(struct db *db, struct err *e);
int db_release(struct db *db, struct err *e);
int db_rollback_to(struct db *db, struct err *e);

/* On a connection that was told to LISTEN, outside of transactions: waits until somebody said something by NOTIFY, wake_fd
 * is readable, or the time is over, and calls fn for each text heard, in order. DB_REMOTE only. */
typedef void db_heard_fn(void *ctx, const char *text);
int db_wait(struct db *db, int wake_fd, int timeout_ms, db_heard_fn *fn, void *ctx, struct err *e);

/* A text of several statements without values: migrations. */
int db_script(struct db *db, const char *sql, struct err *e);

#endif
