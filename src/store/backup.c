#include "store/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "base/fd.h"
#include "store/backup_priv.h"
#include "store/log_priv.h"
#include "text/json.h"

struct log_list {
	struct seal_job *at;
	size_t len, cap;
};

static int log_list_add(struct log_list *l, int64_t job, int64_t n, struct err *e)
{
	if (l->len == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 256;
		struct seal_job *at = reallocarray(l->at, cap, sizeof *at);
		if (!at)
			return err_set(e, ERR_NOMEM, "list of logs");
		l->at = at;
		l->cap = cap;
	}
	l->at[l->len++] = (struct seal_job){ job, (int)n };
	return 0;
}

/* The logs that this moment's attempts have as files. A later attempt's would be taken for that of one to come. */
static int list_logs(struct db *db, struct log_list *l, struct err *e)
{
	size_t before;
	do {
		CLEAN_ROWS struct db_rows rows;
		before = l->len;
		const struct seal_job last = before ? l->at[before - 1] : (struct seal_job){ 0, 0 };
		if (db_query(db, tables_stmt(0, TABLES_LOGS), DB_ARGS(db_int(last.job), db_int(last.attempt)),
			     &rows, e) < 0)
			return -1;
		int rc;
		while ((rc = db_next(&rows, e)) > 0)
			if (log_list_add(l, db_col_int(&rows, 0), db_col_int(&rows, 1), e) < 0)
				return -1;
		if (rc < 0)
			return -1;
	} while (l->len > before);
	return 0;
}

static int dump_table(struct db *db, size_t at, int dir_fd, struct table_sum *sum, struct err *e)
{
	char name[BACKUP_NAME_BYTES];
	backup_table_name(at, name);
	CLEAN_FD int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "write %s", name);
	if (table_dump(db, 0, at, fd, sum, e) < 0)
		return -1;
	return fsync(fd) < 0 ? err_sys(e, "sync %s", name) : 0;
}

static int dump_all(struct store *s, int dir_fd, struct table_sum *sums, struct log_list *logs, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	size_t len;
	const struct db_stmt *stmts = tables_statements(NULL, 0, &len, &a);
	struct db *db = NULL;
	if (!stmts)
		return err_set(e, ERR_NOMEM, "backup");
	if (store_open_reader(s, stmts, len, &db, e) < 0 || db_begin(db, e) < 0) {
		db_close(db);
		return -1;
	}
	int rc = 0;
	for (size_t i = 0; rc == 0 && store_tables[i].name; i++)
		rc = dump_table(db, i, dir_fd, &sums[i], e);
	if (rc == 0)
		rc = list_logs(db, logs, e);
	db_rollback(db);
	db_close(db);
	return rc;
}

static int take_logs(struct store *s, int to_fd, const struct log_list *l, struct backup_report *out,
		     struct err *e)
{
	for (size_t i = 0; i < l->len; i++) {
		char name[LOG_FILE_NAME_BYTES], sealed[LOG_SEALED_NAME_BYTES];
		log_file_name(l->at[i].job, l->at[i].attempt, name);
		log_sealed_name(l->at[i].job, l->at[i].attempt, sealed);
		/* It may be sealed between two looks, by another server too; one that has no file (yet) has none in the backup. */
		pthread_mutex_t *stripe = log_stripe(&s->logs, l->at[i].job);
		pthread_mutex_lock(stripe);
		int rc = backup_take(s->logs.dir_fd, to_fd, sealed, true, e);
		if (rc == 0)
			rc = backup_take(s->logs.dir_fd, to_fd, name, false, e);
		if (rc == 0)
			rc = backup_take(s->logs.dir_fd, to_fd, sealed, true, e);
		pthread_mutex_unlock(stripe);
		if (rc < 0)
			return -1;
		out->logs += rc;
	}
	return 0;
}

static int write_manifest(struct store *s, int dir_fd, const struct table_sum *sums,
			  const struct backup_report *r, struct err *e)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	struct json_writer w;
	jw_init(&w, &text);
	jw_begin_object(&w);
	jw_kint(&w, "format", BACKUP_FORMAT);
	jw_kint(&w, "schema", dbfile_version());
	jw_kstr(&w, "version", SLIPWAY_VERSION);
	jw_kstr(&w, "database", store_database(s));
	jw_ktime(&w, "made", store_now_ms(s));
	jw_kint(&w, "blobs", r->blobs);
	jw_kint(&w, "logs", r->logs);
	jw_key(&w, "tables");
	jw_begin_object(&w);
	for (size_t i = 0; store_tables[i].name; i++) {
		jw_key(&w, store_tables[i].name);
		jw_begin_object(&w);
		jw_kint(&w, "rows", sums[i].rows);
		jw_kstr(&w, "sha256", sums[i].sha256);
		jw_end_object(&w);
	}
	jw_end_object(&w);
	jw_end_object(&w);
	buf_addc(&text, '\n');
	if (buf_check(&text, e) < 0)
		return -1;
	/* All else first. */
	if (syncfs(dir_fd) < 0)
		return err_sys(e, "sync");
	return fd_replace_file(dir_fd, BACKUP_MANIFEST, text.data, text.len, 0600, e);
}

static int open_new(const char *to, struct err *e)
{
	if (fd_mkdirs(to, 0700, e) < 0)
		return -1;
	CLEAN_FD int fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int copy = fd < 0 ? -1 : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEAN_DIR DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir)
		return err_sys(e, "open %s", to);
	struct dirent *entry;
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return err_set(e, ERR_CONFLICT, "%s is not empty", to);
	return take_fd(&fd);
}

int store_backup(struct store *s, const char *to, struct backup_report *out, struct err *e)
{
	struct table_sum sums[BACKUP_TABLES_MAX] = { { 0, "" } };
	struct log_list logs = { NULL, 0, 0 };
	*out = (struct backup_report){ 0 };
	CLEAN_FD int dir_fd = open_new(to, e);
	if (dir_fd < 0)
		return err_wrap(e, "backup");
	CLEAN_FD int blobs_fd = backup_folder(dir_fd, "blobs", e);
	CLEAN_FD int logs_fd = blobs_fd < 0 ? -1 : backup_folder(dir_fd, "logs", e);
	int rc = logs_fd < 0 ? -1 : 0;
	if (rc == 0)
		rc = backup_take_blobs(s->blobs.dir_fd, blobs_fd, false, &out->blobs, e);
	if (rc == 0)
		rc = dump_all(s, dir_fd, sums, &logs, e);
	if (rc == 0)
		rc = backup_take_blobs(s->blobs.dir_fd, blobs_fd, false, &out->blobs, e);
	if (rc == 0)
		rc = take_logs(s, logs_fd, &logs, out, e);
	CLEAN_FD int files_fd = openat(s->blobs.dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rc == 0)
		rc = files_fd < 0 ? err_sys(e, "open the folder of files")
				  : backup_take_ca(files_fd, dir_fd, e);
	free(logs.at);
	for (size_t i = 0; rc == 0 && store_tables[i].name; i++) {
		out->rows += sums[i].rows;
		if (strcmp(store_tables[i].name, "job") == 0)
			out->jobs = sums[i].rows;
	}
	if (rc == 0)
		rc = write_manifest(s, dir_fd, sums, out, e);
	return rc < 0 ? err_wrap(e, "backup to %s", to) : 0;
}
