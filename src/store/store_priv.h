/* The store itself. For src/store/ only. */
#ifndef SLIPWAY_STORE_STORE_PRIV_H
#define SLIPWAY_STORE_STORE_PRIV_H

#include <pthread.h>

#include "model/choose.h"
#include "store/tx_priv.h"

/* Tasks for one thread. */
struct queue {
	struct store *store;
	/* Works off a list of tasks; each must be finished (queue_finish). */
	void (*work)(struct store *s, struct store_task *head);
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct store_task *head, **tail;
	int limit; /* tasks taken at once */
	bool is_running, is_stopping;
};

struct seal_job {
	int64_t job;
	int attempt;
};

/* Logs: files, and the thread that compresses them. */
struct logs {
	char *dir;
	int dir_fd;
	char temporary[32]; /* the name of what is being sealed */
	/* Appends to a log and its sealing exclude each other: by the number of the job. */
	pthread_mutex_t stripes[64];
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct seal_job *todo;
	size_t todo_len, todo_cap;
	bool is_running, is_stopping;
};

struct blobs {
	char *dir;
	int dir_fd;
	/* Between a blob that gets its name and one that is removed: of threads, and of servers that share the folder. */
	pthread_mutex_t lock;
	int lock_fd; /* -1: nobody shares it */
};

/* When waiting jobs start, as somebody was told (forecasts.c). The lock is a leaf. */
struct told {
	pthread_mutex_t lock;
	struct idmap by_job;
};
void told_init(struct told *t);
void told_release(struct told *t);

struct store {
	char *data_dir, *files_dir;
	char *db_url; /* NULL: SQLite */
	int lock_fd;
	bool is_serving;
	struct {
		int64_t id;	/* 0: none */
		char name[128]; /* also where there is no row */
	} server;
	struct tx writer, reader;
	struct queue writes, reads;
	store_watch_fn *watch;
	void *ctx;
	_Atomic int64_t clock_offset_ms; /* what the boot clock lacks to the store's time */
	struct err broken;		 /* the writer's: why nothing is written any more */
	struct blobs blobs;
	struct logs logs;
	struct told told;
	/* The writer's, for dispatch (candidates.c). */
	struct shares shares;
	struct idmap
		first_owners; /* of lanes with more owners than one lease looks at: where the next one begins */
};

int queue_start(struct queue *q, struct store *s, void (*work)(struct store *, struct store_task *),
		int limit, struct err *e);
/* Works off what is queued, then ends the thread. */
void queue_stop(struct queue *q);
void queue_add(struct queue *q, struct store_task *t);

void store_run_writes(struct store *s, struct store_task *head);
void store_run_reads(struct store *s, struct store_task *head);

/* The lock on a data folder, held as long as the descriptor. ERR_BUSY names who has it. */
int store_lock(const char *data_dir, int *fd, struct err *e);

/* Check, create, migrate and open the database. */
int dbfile_open(const char *data_dir, bool is_create, struct db **writer, struct db **reader, struct err *e);
/* A new one with what `fill` puts into it: all there at once, or not at all. `base`: the statements of this connection that
 * come before those of store/tables_priv.h. */
typedef int db_fill_fn(struct db *db, size_t base, void *ctx, struct err *e);
int dbfile_create(const char *data_dir, db_fill_fn *fill, void *ctx, struct err *e);
int dbserver_create(const char *url, db_fill_fn *fill, void *ctx, struct err *e);
/* ERR_CONFLICT: there is one already. */
int dbfile_check_absent(const char *data_dir, struct err *e);
int dbserver_check_absent(const char *url, struct err *e);
/* A connection that reads, beside the store's own; it never writes nor checkpoints. */
int store_open_reader(struct store *s, const struct db_stmt *stmts, size_t len, struct db **out,
		      struct err *e);
int dbfile_open_reader(const char *data_dir, const struct db_stmt *stmts, size_t len, struct db **out,
		       struct err *e);
int dbserver_open_reader(const char *url, const struct db_stmt *stmts, size_t len, struct db **out,
			 struct err *e);
/* Whether other servers are connected: ERR_BUSY. */
int dbserver_check_unused(const char *url, struct err *e);
/* ERR_CONFLICT: a restore into this folder was cut short. */
int restore_check_ended(const char *data_dir, struct err *e);
/* The newest schema this program knows. */
int dbfile_version(void);

/* The same on a PostgreSQL server. ERR_NOT_FOUND: no schema of ours is there. */
int dbserver_open(const char *url, bool is_create, struct tx *writer, struct tx *reader, struct err *e);
/* One more connection, by which statements are sent each by itself. */
int dbserver_connect(const char *url, struct db **out, struct err *e);
/* A moment by chance, longer with each try: so that two who were in each other's way are not again. */
void dbserver_pause(int tries);

/* remote.c; with a new connection first, where the old one is lost. */
int remote_begin(struct tx *tx, struct err *e);
int remote_begin_reading(struct tx *tx, struct err *e);
/* Does not give up before it is known whether the commit was one. ERR_UNCERTAIN: it could not be known in time. */
int remote_commit(struct tx *tx, struct err *e);
/* The transaction is lost by bad luck and may be run again. */
bool remote_must_repeat(struct tx *tx);

/* servers.c; before anything is done with the folder of files. */
int servers_open(struct store *s, struct err *e);
void servers_close(struct store *s);

int blobs_open(struct store *s, struct err *e);
void blobs_close(struct store *s);
int logs_open(struct store *s, struct err *e);
void logs_close(struct store *s);

#endif
