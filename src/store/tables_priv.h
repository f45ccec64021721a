/* All tables as lines of JSON, the same from every database: what backups are made of. A row is an array of its columns'
 * values in the order of `columns`; bytes are base64. Rows come in the order of their keys, so that equal tables have equal
 * lines and so one digest.
 *
 * Not among them: `tally`, which is counted anew, and what belongs to one database alone (meta, writer, server).
 *
 * The statements are put behind `base` others of the connection's opener (tables_statements). One thread a connection;
 * within a transaction of the caller's. */
#ifndef SLIPWAY_STORE_TABLES_PRIV_H
#define SLIPWAY_STORE_TABLES_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

struct arena;
struct db;
struct db_stmt;
struct err;

struct table {
	const char *name, *columns;
	const char *types; /* a letter a column: i number, t text, b bytes */
	int keys;	   /* so many of the first columns are the key */
};

/* In an order in which each names only rows of those before it. The last has no name. */
extern const struct table store_tables[];

struct table_sum {
	int64_t rows;
	char sha256[HASH_HEX_BYTES];
};

/* Beside the tables: logs that are files; what a restored database needs done to it. */
enum tables_stmt {
	TABLES_LOGS, /* ($1, $2): pages of (job, attempt) */
	TABLES_EMPTY_LANES,
	TABLES_TALLY,
	TABLES_END_SESSIONS, /* ($1): a text by chance */
	TABLES_NUMBERS,
	TABLES_OWN_COUNT
};

/* `base` statements of `before`, then those of this module; in the arena. NULL: out of memory. */
struct db_stmt *tables_statements(const struct db_stmt *before, size_t base, size_t *len, struct arena *a);
/* Number of one of enum tables_stmt. */
int tables_stmt(size_t base, enum tables_stmt stmt);

/* fd -1: only the sum is wanted. */
int table_dump(struct db *db, size_t base, size_t at, int fd, struct table_sum *sum, struct err *e);
/* From a file that table_dump() wrote. */
int table_load(struct db *db, size_t base, size_t at, const char *path, struct table_sum *sum, struct err *e);

#endif
