#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/random.h"
#include "store/backup_priv.h"
#include "store/jobs.h"
#include "store/records.h"
#include "text/json.h"

enum { MANIFEST_MAX_BYTES = 1 << 20 };

struct restore {
	const char *from, *data_dir, *files_dir, *db_url;
	bool is_locked; /* the data folder is an installation's, whose lock we have */
	int from_fd, data_fd, files_fd;
	struct table_sum sums[BACKUP_TABLES_MAX]; /* as the manifest says */
};

/* --- what the manifest says --- */

static int read_sum(const json_t *tables, size_t at, struct table_sum *out, struct err *e)
{
	const char *name = store_tables[at].name, *sha256;
	const json_t *in;
	if (json_get_object(tables, name, &in, e) < 0 ||
	    json_get_int(in, "rows", 0, INT64_MAX, -1, &out->rows, e) < 0 ||
	    json_get_str(in, "sha256", "", &sha256, e) < 0)
		return err_wrap(e, "%s", name);
	if (out->rows < 0 || !hash_is_hex(sha256))
		return err_set(e, ERR_CORRUPT, "it does not say how table %s is", name);
	memcpy(out->sha256, sha256, sizeof out->sha256);
	return 0;
}

static int read_manifest(struct restore *r, struct err *e)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	int64_t format, schema;
	const json_t *tables;
	if (fd_read_file(r->from_fd, BACKUP_MANIFEST, MANIFEST_MAX_BYTES, &text, e) < 0)
		return err_wrap(e, "%s is no whole backup", r->from);
	CLEAN_JSON json_t *json = json_parse(BACKUP_MANIFEST, text.data, text.len, e);
	if (!json || json_get_int(json, "format", 0, INT32_MAX, 0, &format, e) < 0 ||
	    json_get_int(json, "schema", 0, INT32_MAX, 0, &schema, e) < 0 ||
	    json_get_object(json, "tables", &tables, e) < 0)
		return -1;
	if (format != BACKUP_FORMAT || schema != dbfile_version())
		return err_set(
			e, ERR_UNSUPPORTED,
			"%s is of format %lld and schema %lld; this version restores format %d and schema %d",
			r->from, (long long)format, (long long)schema, BACKUP_FORMAT, dbfile_version());
	for (size_t i = 0; store_tables[i].name; i++)
		if (read_sum(tables, i, &r->sums[i], e) < 0)
			return err_wrap(e, BACKUP_MANIFEST);
	return 0;
}

/* --- the database --- */

static int compare(const struct restore *r, size_t at, const struct table_sum *is, const char *where,
		   struct err *e)
{
	const struct table_sum *must = &r->sums[at];
	if (is->rows == must->rows && strcmp(is->sha256, must->sha256) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT,
		       "table %s %s is not what the manifest says: %lld rows of %lld, or others",
		       store_tables[at].name, where, (long long)is->rows, (long long)must->rows);
}

/* In the transaction that makes it an installation; nothing of it is seen before. */
static int fill(struct db *db, size_t base, void *ctx, struct err *e)
{
	struct restore *r = ctx;
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct table_sum is;
	int64_t last = 0;
	char name[BACKUP_NAME_BYTES], fresh[RANDOM_HEX_BYTES(16)];
	if (random_hex(fresh, 16, e) < 0 ||
	    db_exec(db, tables_stmt(base, TABLES_EMPTY_LANES), DB_NO_ARGS, NULL, e) < 0)
		return -1;
	for (size_t i = 0; store_tables[i].name; i++) {
		backup_table_name(i, name);
		const char *path = path_join_in(&a, r->from, name);
		if (!path)
			return err_set(e, ERR_NOMEM, "restore");
		if (table_load(db, base, i, path, &is, e) < 0 || compare(r, i, &is, "in the backup", e) < 0)
			return -1;
	}
	for (size_t i = 0; store_tables[i].name; i++)
		if (table_dump(db, base, i, -1, &is, e) < 0 || compare(r, i, &is, "as restored", e) < 0)
			return -1;
	if (db_exec(db, tables_stmt(base, TABLES_TALLY), DB_NO_ARGS, NULL, e) < 0 ||
	    db_exec(db, tables_stmt(base, TABLES_END_SESSIONS), DB_ARGS(db_str(fresh)), NULL, e) < 0)
		return -1;
	return db_get_int(db, tables_stmt(base, TABLES_NUMBERS), DB_NO_ARGS, &last, e);
}

static int restore_database(struct restore *r, struct err *e)
{
	return r->db_url ? dbserver_create(r->db_url, fill, r, e) : dbfile_create(r->data_dir, fill, r, e);
}

/* --- files --- */

static int restore_logs(const struct restore *r, int from_fd, int to_fd, int64_t *count, struct err *e)
{
	int copy = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEAN_DIR DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	if (!dir)
		return err_sys(e, "read the logs of %s", r->from);
	while ((entry = readdir(dir))) {
		size_t n = strlen(entry->d_name);
		if (entry->d_name[0] == '.')
			continue;
		bool is_sealed = n > 4 && strcmp(entry->d_name + n - 4, ".zst") == 0;
		if (backup_take(from_fd, to_fd, entry->d_name, is_sealed, e) < 0)
			return -1;
		++*count;
	}
	return 0;
}

static int restore_files(struct restore *r, struct backup_report *out, struct err *e)
{
	CLEAN_FD int from_blobs = backup_folder(r->from_fd, "blobs", e);
	CLEAN_FD int from_logs = from_blobs < 0 ? -1 : backup_folder(r->from_fd, "logs", e);
	CLEAN_FD int blobs = from_logs < 0 ? -1 : backup_folder(r->files_fd, "blobs", e);
	CLEAN_FD int logs = blobs < 0 ? -1 : backup_folder(r->files_fd, "logs", e);
	if (logs < 0 || backup_take_blobs(from_blobs, blobs, true, &out->blobs, e) < 0 ||
	    restore_logs(r, from_logs, logs, &out->logs, e) < 0 ||
	    backup_take_ca(r->from_fd, r->files_fd, e) < 0)
		return -1;
	return syncfs(r->files_fd) < 0 ? err_sys(e, "sync %s", r->files_dir) : 0;
}

/* --- as a whole --- */

int restore_check_ended(const char *data_dir, struct err *e)
{
	CLEAN_FD int dir = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	if (dir < 0 || fstatat(dir, RESTORE_MARK, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return err_set(e, ERR_CONFLICT,
		       "%s: a restore has not ended here: restore again, or remove the folder", data_dir);
}

static int set_mark(const struct restore *r, struct err *e)
{
	return r->is_locked ? 0 : fd_replace_file(r->data_fd, RESTORE_MARK, "", 0, 0600, e);
}

static int remove_mark(const struct restore *r, struct err *e)
{
	if (r->is_locked)
		return 0;
	return unlinkat(r->data_fd, RESTORE_MARK, 0) < 0 || fsync(r->data_fd) < 0
		       ? err_sys(e, "remove %s/" RESTORE_MARK, r->data_dir)
		       : 0;
}

/* Nobody runs any more what was running: it waits again, and that counts for nobody. */
static int release_all(struct tx *tx, struct store_task *t, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct worker *workers;
	size_t len;
	int n;
	(void)t;
	if (workers_list(tx, &a, &workers, &len, e) < 0)
		return -1;
	for (size_t i = 0; i < len; i++)
		if (workers[i].running &&
		    jobs_reclaim(tx, workers[i].id, NULL, OUTCOME_RELEASED,
				 "the installation was restored from a backup", NULL, &n, e) < 0)
			return -1;
	return 0;
}

static int finish(const struct restore *r, struct err *e)
{
	struct store *s;
	struct store_options o = { .data_dir = r->data_dir, .files_dir = r->files_dir, .db_url = r->db_url };
	struct store_task t = { .run = release_all };
	if (store_open(&s, &o, e) < 0)
		return -1;
	int rc = store_write_wait(s, &t);
	if (rc < 0)
		*e = t.err;
	store_close(s);
	return rc;
}

static int restore_locked(struct restore *r, struct backup_report *out, struct err *e)
{
	if (read_manifest(r, e) < 0 ||
	    (r->db_url ? dbserver_check_absent(r->db_url, e) : dbfile_check_absent(r->data_dir, e)) < 0 ||
	    set_mark(r, e) < 0 || restore_files(r, out, e) < 0 || restore_database(r, e) < 0)
		return -1;
	for (size_t i = 0; store_tables[i].name; i++) {
		out->rows += r->sums[i].rows;
		if (strcmp(store_tables[i].name, "job") == 0)
			out->jobs = r->sums[i].rows;
	}
	return remove_mark(r, e);
}

static int open_dir(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "open %s", path) : fd;
}

int restore_into(const char *from, const struct store_place *to, bool is_locked, struct backup_report *out,
		 struct err *e)
{
	struct restore r = { .from = from,
			     .data_dir = to->data_dir,
			     .files_dir = to->files_dir ? to->files_dir : to->data_dir,
			     .db_url = to->db_url,
			     .is_locked = is_locked };
	*out = (struct backup_report){ 0 };
	if (fd_mkdirs(r.data_dir, 0750, e) < 0 || fd_mkdirs(r.files_dir, 0750, e) < 0)
		return -1;
	CLEAN_FD int from_fd = open_dir(from, e);
	CLEAN_FD int data_fd = from_fd < 0 ? -1 : open_dir(r.data_dir, e);
	CLEAN_FD int files_fd = data_fd < 0 ? -1 : open_dir(r.files_dir, e);
	CLEAN_FD int lock = -1;
	r.from_fd = from_fd;
	r.data_fd = data_fd;
	r.files_fd = files_fd;
	if (files_fd < 0 || (!is_locked && store_lock(r.data_dir, &lock, e) < 0) ||
	    restore_locked(&r, out, e) < 0)
		return err_wrap(e, "restore from %s", from);
	if (!is_locked)
		close(take_fd(&lock));
	return finish(&r, e);
}

int store_restore(const char *from, const struct store_place *to, struct backup_report *out, struct err *e)
{
	return restore_into(from, to, false, out, e);
}
