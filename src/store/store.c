#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/fd.h"
#include "store/store_priv.h"

enum {
	WRITES_AT_ONCE = 256, /* tasks in one transaction */
	READS_AT_ONCE = 32,   /* tasks on one snapshot: a long one keeps the log from being reset */
};

static bool is_server(const char *url)
{
	return url && (strncmp(url, "postgresql://", 13) == 0 || strncmp(url, "postgres://", 11) == 0);
}

static int open_database(struct store *s, const struct store_options *o, struct err *e)
{
	if (is_server(o->db_url) && o->is_serving && store_lock(s->data_dir, &s->lock_fd, e) < 0)
		return -1;
	if (is_server(o->db_url))
		return dbserver_open(o->db_url, o->is_create, &s->writer, &s->reader, e);
	if (o->db_url)
		return err_set(e, ERR_UNSUPPORTED,
			       "database %s: neither SQLite in the data folder nor"
			       " postgresql://…",
			       o->db_url);
	if (o->files_dir && strcmp(o->files_dir, o->data_dir) != 0)
		return err_set(
			e, ERR_UNSUPPORTED,
			"a folder of files beside the data folder is for servers that share a PostgreSQL"
			" database");
	return store_lock(s->data_dir, &s->lock_fd, e) < 0 ||
			       dbfile_open(s->data_dir, o->is_create, &s->writer.db, &s->reader.db, e) < 0
		       ? -1
		       : 0;
}

/* Nobody is connected to a server that has just begun, nor to one that has gone. */
static int set_offline(struct store *s, struct err *e)
{
	return db_begin(s->writer.db, e) < 0 || tx_exec(&s->writer, STMT_WORKER_ALL_OFFLINE,
							DB_ARGS(db_int(s->server.id)), NULL, e) < 0
		       ? -1
		       : db_commit(s->writer.db, e);
}

static int open_parts(struct store *s, const struct store_options *o, struct err *e)
{
	struct stat st;
	if (o->is_create && (fd_mkdirs(s->data_dir, 0750, e) < 0 || fd_mkdirs(s->files_dir, 0750, e) < 0))
		return -1;
	if (stat(s->data_dir, &st) < 0 || stat(s->files_dir, &st) < 0)
		return err_sys(e, "data folder %s", s->data_dir);
	if (restore_check_ended(s->data_dir, e) < 0 || open_database(s, o, e) < 0 || servers_open(s, e) < 0 ||
	    blobs_open(s, e) < 0 || logs_open(s, e) < 0 || (o->is_serving && set_offline(s, e) < 0))
		return -1;
	if (queue_start(&s->writes, s, store_run_writes, WRITES_AT_ONCE, e) < 0)
		return -1;
	return queue_start(&s->reads, s, store_run_reads, READS_AT_ONCE, e);
}

int store_open(struct store **out, const struct store_options *o, struct err *e)
{
	*out = NULL;
	struct store *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(e, ERR_NOMEM, "open store");
	s->lock_fd = s->blobs.dir_fd = s->blobs.lock_fd = s->logs.dir_fd = -1;
	s->watch = o->watch;
	s->ctx = o->ctx;
	s->clock_offset_ms = clock_wall_ms() - clock_boot_ms();
	s->writer.store = s->reader.store = s;
	s->writer.is_writer = true;
	s->is_serving = o->is_serving;
	told_init(&s->told);
	s->data_dir = strdup(o->data_dir);
	s->files_dir = strdup(o->files_dir ? o->files_dir : o->data_dir);
	s->db_url = o->db_url ? strdup(o->db_url) : NULL;
	int rc = s->data_dir && s->files_dir && (s->db_url || !o->db_url)
			 ? open_parts(s, o, e)
			 : err_set(e, ERR_NOMEM, "open store");
	if (rc < 0) {
		store_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	queue_stop(&s->reads);
	queue_stop(&s->writes);
	logs_close(s);
	blobs_close(s);
	servers_close(s);
	/* The reader first: the last to close checkpoints, and only the writer may. */
	struct db *reader = s->reader.db, *writer = s->writer.db;
	tx_release(&s->reader);
	tx_release(&s->writer);
	shares_release(&s->shares);
	idmap_release(&s->first_owners);
	told_release(&s->told);
	db_close(reader);
	db_close(writer);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->data_dir);
	free(s->files_dir);
	free(s->db_url);
	free(s);
}

int store_open_reader(struct store *s, const struct db_stmt *stmts, size_t len, struct db **out,
		      struct err *e)
{
	return s->db_url ? dbserver_open_reader(s->db_url, stmts, len, out, e)
			 : dbfile_open_reader(s->data_dir, stmts, len, out, e);
}

void store_write(struct store *s, struct store_task *t)
{
	queue_add(&s->writes, t);
}

void store_read(struct store *s, struct store_task *t)
{
	queue_add(&s->reads, t);
}

/* A task on its caller's stack, and the caller asleep until it is done. */
struct waiter {
	struct store_task task;
	struct store_task *inner;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool is_done;
};

static int waiter_run(struct tx *tx, struct store_task *t, struct err *e)
{
	struct waiter *w = (struct waiter *)t;
	return w->inner->run(tx, w->inner, e);
}

static void waiter_done(struct store_task *t)
{
	struct waiter *w = (struct waiter *)t;
	pthread_mutex_lock(&w->lock);
	w->is_done = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

static int wait_for(struct queue *q, struct store_task *t)
{
	struct waiter w = { .task = { .run = waiter_run, .done = waiter_done },
			    .inner = t,
			    .lock = PTHREAD_MUTEX_INITIALIZER,
			    .wake = PTHREAD_COND_INITIALIZER };
	queue_add(q, &w.task);
	pthread_mutex_lock(&w.lock);
	while (!w.is_done)
		pthread_cond_wait(&w.wake, &w.lock);
	pthread_mutex_unlock(&w.lock);
	pthread_cond_destroy(&w.wake);
	pthread_mutex_destroy(&w.lock);
	t->rc = w.task.rc;
	t->err = w.task.err;
	if (t->done)
		t->done(t);
	return t->rc;
}

int store_write_wait(struct store *s, struct store_task *t)
{
	return wait_for(&s->writes, t);
}

int store_read_wait(struct store *s, struct store_task *t)
{
	return wait_for(&s->reads, t);
}

const char *store_database(const struct store *s)
{
	return store_is_shared(s) ? "postgresql" : "sqlite";
}

const char *store_data_dir(const struct store *s)
{
	return s->data_dir;
}

int64_t store_now_ms(const struct store *s)
{
	return s->clock_offset_ms + clock_boot_ms();
}
