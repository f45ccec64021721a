/* What a driver is. For src/db/ only. */
#ifndef SLIPWAY_DB_DB_PRIV_H
#define SLIPWAY_DB_DB_PRIV_H

#include "db/db.h"

enum db_control { DB_BEGIN, DB_COMMIT, DB_ROLLBACK, DB_SAVEPOINT, DB_RELEASE, DB_ROLLBACK_TO, DB_CONTROLS };

struct db_driver {
	const char *name;
	unsigned caps;
	int (*open)(struct db **out, const struct db_options *o, struct err *e);
	void (*close)(struct db *db);
	int (*exec)(struct db *db, int stmt, const struct db_value *args, size_t n, int64_t *changed,
		    struct err *e);
	int (*query)(struct db *db, int stmt, const struct db_value *args, size_t n, struct db_rows *rows,
		     struct err *e);
	int (*next)(struct db_rows *rows, struct err *e);
	void (*end)(struct db_rows *rows);
	int64_t (*col_int)(struct db_rows *rows, int col);
	bool (*col_is_null)(struct db_rows *rows, int col);
	const void *(*col_bytes)(struct db_rows *rows, int col, size_t *n); /* text is followed by a NUL */
	int (*control)(struct db *db, enum db_control c, struct err *e);
	bool (*is_in_transaction)(const struct db *db);
	int (*script)(struct db *db, const char *sql, struct err *e);
	/* NULL where a database is no server: */
	int (*reconnect)(struct db *db, struct err *e);
	int (*exec_must)(struct db *db, int stmt, const struct db_value *args, size_t n, struct err *e);
	int (*begin_with)(struct db *db, int stmt, const struct db_value *args, size_t n, struct err *e);
	bool (*is_undone)(const struct db *db);
	int (*wait)(struct db *db, int wake_fd, int timeout_ms, db_heard_fn *fn, void *ctx, struct err *e);
};

/* The start of each driver's own struct. */
struct db {
	const struct db_driver *driver;
	bool is_broken, is_lost, must_repeat;
	int64_t began_ms;
};

extern const struct db_driver db_driver_sqlite;
extern const struct db_driver db_driver_postgres;

#endif
