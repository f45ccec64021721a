/* The store: everything that is kept, behind transactions that share their cost.
 *
 * A store owns its database connections and their threads. Work comes as tasks. A write task runs inside a
 * transaction, together with the other write tasks that arrived while the one before was being committed
 * (group commit); each in a savepoint of its own, so that one that fails takes nothing of its neighbours
 * along. done() is called after the commit, when what run() did is durable, or with the error that undid
 * it. A read task sees everything that was durable when it began.
 *
 * On SQLite there is one thread and one connection that writes and checkpoints, and one that only reads;
 * the data folder is locked against every other process. A task is the caller's memory and stays valid
 * until done().
 *
 * On PostgreSQL there is one connection that writes and one that reads, and other servers may use the database
 * and the folder of files at the same time. A transaction that collides with another's, or whose connection breaks, is run again from
 * its beginning: run() may be called more than once and starts from scratch each time. An error of a database
 * statement must therefore reach run()'s end; who treats errors as outcomes asks tx_is_undone() first.
 *
 * Inside run() the aggregates are used: store/jobs.h, attempts.h, targets.h, workers.h, events.h,
 * artifacts.h, check.h. They are called from run() only. Logs and blobs are files: store/logs.h,
 * store/blobs.h; any thread. */
#ifndef SLIPWAY_STORE_STORE_H
#define SLIPWAY_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/job.h"

struct store;
struct tx;

struct store_task {
	int (*run)(struct tx *tx, struct store_task *t, struct err *e);
	/* On a thread of the store; must be quick: hand over, wake, free. t->rc and t->err say how it
	 * went. */
	void (*done)(struct store_task *t);
	int rc;
	struct err err;
	struct store_task *next; /* the store's */
};

/* What a commit changed, told after it is durable, before the tasks' done(), on the writer's thread. */
struct store_change {
	int64_t job;
	enum job_state from, to;
	int64_t lane;
	int64_t worker; /* id of the worker that holds or held it; 0 = none */
	bool is_cancel_asked;
};
typedef void store_watch_fn(void *ctx, const struct store_change *changes, size_t n);

struct store_options {
	const char *data_dir;  /* holds slipway.db and lock */
	const char *files_dir; /* holds blobs/ and logs/; NULL = data_dir; another one with PostgreSQL only */
	const char *db_url;    /* NULL = sqlite in data_dir; else postgresql://… */
	bool is_create;	       /* make what is absent; else it must be there */
	bool is_serving;       /* this is a server: it is known to the others (store/servers.h) */
	store_watch_fn *watch;
	void *ctx;
};

/* Opens, locks, checks and migrates. The data folder is locked for SQLite and for who serves. ERR_BUSY: another process has it; ERR_CORRUPT: damaged, or not ours;
 * ERR_UNSUPPORTED: made by a newer version. In those cases nothing was changed. */
int store_open(struct store **out, const struct store_options *o, struct err *e);
/* Ends the tasks that are queued, checkpoints, unlocks. NULL is fine. */
void store_close(struct store *s);

/* Any thread. */
void store_write(struct store *s, struct store_task *t);
void store_read(struct store *s, struct store_task *t);
/* The same, and wait for it; for mains and tests. Gives t->rc. */
int store_write_wait(struct store *s, struct store_task *t);
int store_read_wait(struct store *s, struct store_task *t);

/* "sqlite", "postgresql". */
const char *store_database(const struct store *s);
const char *store_data_dir(const struct store *s);
/* Others write into the same database. */
bool store_is_shared(const struct store *s);
/* The store's clock. SQLite: wall time as it was when the store was opened, moved on by the boot clock; it
 * never steps. PostgreSQL: the database server's wall time. */
int64_t store_now_ms(const struct store *s);
int64_t tx_now_ms(const struct tx *tx);
/* The database has undone what this task did: it must fail, whatever the error was. */
bool tx_is_undone(const struct tx *tx);
/* The store a transaction belongs to. */
struct store *tx_store(const struct tx *tx);

#endif
