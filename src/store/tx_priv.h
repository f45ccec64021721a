/* A transaction, as the aggregates see it; and what a connection of the store remembers beside its tables.
 *
 * There is one struct tx a connection, for the life of the store. Everything in it that a task changes
 * (interned names, lanes, tallies, the list of changes) is put back when that task, or the whole
 * transaction, is undone: tx_mark() before, tx_undo() to go back. */
#ifndef SLIPWAY_STORE_TX_PRIV_H
#define SLIPWAY_STORE_TX_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "db/db.h"
#include "model/job.h"
#include "model/lane.h"
#include "store/statements.h"
#include "store/store.h"

struct name_entry;
struct lane_entry;

/* Text ↔ number of one table, both ways; entries in the order they were learned. */
struct names {
	struct map by_text;
	struct idmap by_id;
	struct name_entry **added; /* since the transaction began */
	size_t added_len, added_cap;
};

struct lanes {
	struct map by_key;
	struct idmap by_id;
	struct lane_entry **added;
	size_t added_len, added_cap;
};

/* What a connection to a database server remembers (remote.c). */
struct remote {
	int64_t writer;	 /* our row in the table of that name; 0: a reader */
	int64_t n;	 /* the number of our newest transaction */
	int64_t lost_ms; /* boot clock: since when nothing answers; 0: something does */
	bool is_aborted; /* it is known that the newest transaction was not committed */
};

/* What is set for owners (owners.c). */
struct owner_row;
struct owner_cache {
	struct arena arena;
	struct owner_row *rows; /* by id */
	size_t len;
	int64_t read_ms; /* boot clock; 0: not yet */
};

struct run_noted;

struct tx {
	struct store *store;
	struct db *db;
	bool is_writer;
	struct remote remote;
	int64_t now_ms;
	struct names strings, workers;
	struct lanes lanes;
	struct owner_cache owners;
	int64_t tally[KIND_LAST + 1][STATE_LAST + 1]; /* differences not written yet */
	struct run_noted *runs;			      /* that succeeded (durations.c) */
	size_t runs_len, runs_cap;
	unsigned durations_added;
	struct store_change *changes;
	size_t changes_len, changes_cap;
};

struct tx_mark {
	size_t strings, workers, lanes, changes, runs;
	int64_t tally[KIND_LAST + 1][STATE_LAST + 1];
};

void tx_release(struct tx *tx);
void tx_mark(const struct tx *tx, struct tx_mark *m);
void tx_undo(struct tx *tx, const struct tx_mark *m);
/* The transaction is durable: nothing can be undone any more. */
void tx_settle(struct tx *tx);
/* Write tallies, durations and forecasts; the last thing before the commit. */
int tx_flush(struct tx *tx, struct err *e);
int tx_add_change(struct tx *tx, const struct store_change *c, struct err *e);

static inline int tx_exec(struct tx *tx, enum stmt stmt, const struct db_value *args, size_t n,
			  int64_t *changed, struct err *e)
{
	return db_exec(tx->db, (int)stmt, args, n, changed, e);
}
static inline int tx_exec_must(struct tx *tx, enum stmt stmt, const struct db_value *args, size_t n,
			       struct err *e)
{
	return db_exec_must(tx->db, (int)stmt, args, n, e);
}
static inline int tx_query(struct tx *tx, enum stmt stmt, const struct db_value *args, size_t n,
			   struct db_rows *rows, struct err *e)
{
	return db_query(tx->db, (int)stmt, args, n, rows, e);
}
static inline int tx_get_int(struct tx *tx, enum stmt stmt, const struct db_value *args, size_t n,
			     int64_t *out, struct err *e)
{
	return db_get_int(tx->db, (int)stmt, args, n, out, e);
}

/* Numbers of strings; "" and NULL are 0. string_id adds what is not there (writers only). */
int string_id(struct tx *tx, const char *text, int64_t *id, struct err *e);
/* 0 in *id: there is no such string. */
int string_find(struct tx *tx, const char *text, int64_t *id, struct err *e);
/* The text, borrowed until the task ends; "" for 0. NULL: an error. */
const char *string_text(struct tx *tx, int64_t id, struct err *e);
const char *worker_name(struct tx *tx, int64_t id, struct err *e);
int worker_find(struct tx *tx, const char *name, int64_t *id, struct err *e);
/* A worker's name is known from now on (a row was added). */
int worker_learn(struct tx *tx, int64_t id, const char *name, struct err *e);

/* A lane's zone is kept as the last of its tags, so that the table of lanes is what it was: "big,zone:blue". */
#define LANE_ZONE_TAG "zone:"
/* `tags` with the zone. */
int lane_id(struct tx *tx, enum job_kind kind, enum isolation isolation, const char *arch, const char *tags,
	    int64_t *id, struct err *e);
/* Borrowed until the task ends. NULL: an error. */
const struct lane *lane_get(struct tx *tx, int64_t id, struct err *e);

#endif
