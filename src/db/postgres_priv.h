/* The PostgreSQL driver's parts. For src/db/ only. */
#ifndef SLIPWAY_DB_POSTGRES_PRIV_H
#define SLIPWAY_DB_POSTGRES_PRIV_H

#include "base/err.h"
#include "db/db_priv.h"

/* libpq's PGresult and PGconn. */
struct pg_result;
struct pg_conn;

/* What an error of the server means for what comes next. */
enum pg_verdict {
	PG_FAILED,     /* the statement is wrong, or what it wants is not allowed */
	PG_REPEAT,     /* bad luck: the transaction may be run again */
	PG_LOST,       /* the connection is gone or of no use */
	PG_UNPREPARED, /* a pooler gave us a session without our statements */
};

/* Sets the error by what the server said of the statement `what`. */
enum pg_verdict pg_error_read(const struct pg_result *r, const char *what, struct err *e);
/* The connection itself has something to say, and no server did. */
void pg_error_connection(const struct pg_conn *c, const char *what, enum err_code code, struct err *e);

/* Its connection, for postgres_wait.c. */
struct pg_conn *postgres_connection(const struct db *db);
int postgres_wait(struct db *db, int wake_fd, int timeout_ms, db_heard_fn *fn, void *ctx, struct err *e);

#endif
