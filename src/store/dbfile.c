/* The database file: whose it is, whether it is whole, which schema it has.
 *
 * Nothing may be changed in a file that is damaged, of somebody else, or of a newer version. So it is
 * first looked at byte by byte (the first page is never behind in what matters here: the application's
 * number is there from the file's first moment), then by a connection that only reads. A file left by a
 * killed process has a write-ahead log beside it, which that connection reads too. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "base/embed.h"
#include "base/path.h"
#include "store/store_priv.h"
#include "store/tables_priv.h"

#define FILE_NAME "slipway.db"
#define NEW_NAME "slipway.db.new"

enum {
	APPLICATION_ID = 0x534c4950, /* "SLIP"; the first migration sets it */
	HEADER_BYTES = 100,
	AT_APPLICATION_ID = 68,
	AT_PAGES = 28,
	/* A larger file is not read through at each start; `admin check` does that. */
	FULL_CHECK_MAX_BYTES = 64 << 20,
};

/* Made from sql/sqlite/NNN-….sql. */
extern const struct embed_file store_sql_sqlite[];

enum { PROBE_VERSION, PROBE_CHECK, PROBE_SCHEMA, PROBE_TRIGGER, PROBE_COUNT };
static const struct db_stmt probe_statements[PROBE_COUNT] = {
	[PROBE_VERSION] = { "user_version", "SELECT user_version FROM pragma_user_version" },
	[PROBE_CHECK] = { "quick_check", "SELECT quick_check FROM pragma_quick_check(1)" },
	[PROBE_SCHEMA] = { "schema", "SELECT count(*) FROM sqlite_schema" },
	[PROBE_TRIGGER] = { "trigger", "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = $1" },
};

int dbfile_version(void)
{
	int n = 0;
	while (store_sql_sqlite[n].name)
		n++;
	return n;
}

static uint32_t big_endian(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int check_header(const char *path, int64_t *size, struct err *e)
{
	unsigned char h[HEADER_BYTES];
	struct stat st;
	/* Closing a descriptor of the file would end SQLite's locks on it: no connection is open yet. */
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CORRUPT, "%s is not a file; nothing was changed", path);
	*size = st.st_size;
	ssize_t n = pread(fd, h, sizeof h, 0);
	if (n < 0)
		return err_sys(e, "read %s", path);
	if (n != HEADER_BYTES || memcmp(h, "SQLite format 3", 16) != 0)
		return err_set(e, ERR_CORRUPT, "%s is not an SQLite database; nothing was changed", path);
	if (big_endian(h + AT_APPLICATION_ID) != APPLICATION_ID)
		return err_set(e, ERR_CORRUPT, "%s is a database of another program; nothing was changed",
			       path);
	return 0;
}

static int probe_content(struct db *db, int64_t size, const char *path, int64_t *version, struct err *e)
{
	int64_t tables = 0;
	if (db_get_int(db, PROBE_VERSION, DB_NO_ARGS, version, e) < 0 ||
	    db_get_int(db, PROBE_SCHEMA, DB_NO_ARGS, &tables, e) < 0)
		return -1;
	if (*version > dbfile_version())
		return err_set(
			e, ERR_UNSUPPORTED,
			"%s has schema %lld, made by a newer version; this one knows up to %d. Nothing was "
			"changed",
			path, (long long)*version, dbfile_version());
	if (size > FULL_CHECK_MAX_BYTES)
		return 0;
	CLEAN_ROWS struct db_rows rows;
	if (db_query(db, PROBE_CHECK, DB_NO_ARGS, &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc > 0 && strcmp(db_col_text(&rows, 0), "ok") != 0)
		return err_set(e, ERR_CORRUPT, "%s is damaged (%s); nothing was changed", path,
			       db_col_text(&rows, 0));
	return rc < 0 ? -1 : 0;
}

static bool is_there(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

/* The reading connection makes an empty log and an index for it, where there are none: away with them. */
static int probe(const char *path, struct arena *a, int64_t *version, struct err *e)
{
	int64_t size = 0;
	const char *wal = arena_printf(a, "%s-wal", path), *shm = arena_printf(a, "%s-shm", path);
	if (!wal || !shm)
		return err_set(e, ERR_NOMEM, "open %s", path);
	if (check_header(path, &size, e) < 0)
		return -1;
	bool had_wal = is_there(wal), had_shm = is_there(shm);
	struct db *db;
	int rc = db_open(
		&db, &(struct db_options){ "sqlite", path, DB_MODE_PROBE, probe_statements, PROBE_COUNT }, e);
	if (rc == 0)
		rc = probe_content(db, size, path, version, e);
	db_close(db);
	if (!had_wal)
		unlink(wal);
	if (!had_shm || !had_wal)
		unlink(shm);
	if (rc < 0 && e && e->code != ERR_UNSUPPORTED && e->code != ERR_NOMEM && e->code != ERR_BUSY) {
		e->code = ERR_CORRUPT;
		return err_wrap(e, "open %s", path);
	}
	return rc;
}

static int migrate(struct db *db, int64_t from, struct err *e)
{
	for (int64_t i = from; store_sql_sqlite[i].name; i++) {
		const struct embed_file *f = &store_sql_sqlite[i];
		int64_t version = 0;
		if (db_begin(db, e) < 0)
			return -1;
		/* Each file ends by setting user_version to its own number. */
		if (db_script(db, (const char *)f->bytes, e) < 0 ||
		    db_get_int(db, PROBE_VERSION, DB_NO_ARGS, &version, e) < 0 ||
		    (version != i + 1 &&
		     err_set(e, ERR_INTERNAL, "it sets version %lld", (long long)version) < 0) ||
		    db_commit(db, e) < 0) {
			db_rollback(db);
			return err_wrap(e, "migration %s", f->name);
		}
	}
	return 0;
}

/* Make the trigger if there is none with this very text. */
static int keep_trigger(struct db *db, const char *name, const char *drop, const char *create, struct err *e)
{
	{
		CLEAN_ROWS struct db_rows rows;
		if (db_query(db, PROBE_TRIGGER, DB_ARGS(db_str(name)), &rows, e) < 0)
			return -1;
		int rc = db_next(&rows, e);
		if (rc < 0)
			return -1;
		if (rc > 0 && strcmp(db_col_text(&rows, 0), create) == 0)
			return 0;
	}
	return db_script(db, drop, e) < 0 ? -1 : db_script(db, create, e);
}

/* The table of states in the database's own words: numbers only, from the one table there is. One shift
 * and one AND for a change, because this runs for each of them. */
static int keep_state_rules(struct db *db, struct err *e)
{
	CLEAN_BUF struct buf change = BUF_INIT, birth = BUF_INIT;
	buf_adds(&change,
		 "CREATE TRIGGER job_change AFTER UPDATE OF state ON job WHEN NEW.state <> OLD.state AND NOT "
		 "(CASE OLD.state");
	for (int s = STATE_FIRST; s <= STATE_LAST; s++)
		buf_addf(&change, " WHEN %d THEN %u", s, state_successors((enum job_state)s));
	buf_adds(&change, " END >> NEW.state) & 1 BEGIN SELECT RAISE(FAIL, 'illegal change of state'); END");
	buf_addf(&birth,
		 "CREATE TRIGGER job_birth AFTER INSERT ON job WHEN NOT (%u >> NEW.state) & 1 BEGIN SELECT "
		 "RAISE(FAIL, 'illegal state at birth'); END",
		 state_successors((enum job_state)0));
	if (buf_check(&change, e) < 0 || buf_check(&birth, e) < 0 || db_begin(db, e) < 0)
		return -1;
	if (keep_trigger(db, "job_change", "DROP TRIGGER IF EXISTS job_change", change.data, e) < 0 ||
	    keep_trigger(db, "job_birth", "DROP TRIGGER IF EXISTS job_birth", birth.data, e) < 0 ||
	    db_commit(db, e) < 0) {
		db_rollback(db);
		return err_wrap(e, "rules of states");
	}
	return 0;
}

static int fsync_dir(const char *path, struct err *e)
{
	CLEAN_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? err_sys(e, "sync %s", path) : 0;
}

/* In one transaction. */
static int put_in(const char *path, db_fill_fn *fill, void *ctx, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	size_t len;
	const struct db_stmt *stmts = tables_statements(NULL, 0, &len, &a);
	struct db *db;
	if (!stmts)
		return err_set(e, ERR_NOMEM, "create %s", path);
	if (db_open(&db, &(struct db_options){ "sqlite", path, DB_MODE_WRITER, stmts, len }, e) < 0)
		return -1;
	int rc = db_begin(db, e) < 0 || fill(db, 0, ctx, e) < 0 || db_commit(db, e) < 0 ? -1 : 0;
	if (rc < 0)
		db_rollback(db);
	/* The last to close checkpoints: all is in the one file then. */
	db_close(db);
	return rc;
}

/* A new file gets its name when it is whole. */
static int create(const char *data_dir, const char *path, db_fill_fn *fill, void *ctx, struct arena *a,
		  struct err *e)
{
	static const char *const rests[] = { "", "-journal", "-wal", "-shm" };
	const char *fresh = path_join_in(a, data_dir, NEW_NAME);
	for (size_t i = 0; i < ARRAY_LEN(rests); i++) {
		const char *rest = fresh ? arena_printf(a, "%s%s", fresh, rests[i]) : NULL;
		if (!rest)
			return err_set(e, ERR_NOMEM, "create %s", path);
		unlink(rest);
	}
	struct db *db;
	if (db_open(&db,
		    &(struct db_options){ "sqlite", fresh, DB_MODE_CREATE, probe_statements, PROBE_COUNT },
		    e) < 0)
		return -1;
	int rc = migrate(db, 0, e);
	db_close(db);
	if (rc == 0 && fill)
		rc = put_in(fresh, fill, ctx, e);
	if (rc < 0)
		return -1;
	if (rename(fresh, path) < 0)
		return err_sys(e, "rename %s", fresh);
	return fsync_dir(data_dir, e);
}

int dbfile_create(const char *data_dir, db_fill_fn *fill, void *ctx, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	const char *path = path_join_in(&a, data_dir, FILE_NAME);
	if (!path)
		return err_set(e, ERR_NOMEM, "create a database");
	return dbfile_check_absent(data_dir, e) < 0 ? -1 : create(data_dir, path, fill, ctx, &a, e);
}

int dbfile_check_absent(const char *data_dir, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	const char *path = path_join_in(&a, data_dir, FILE_NAME);
	if (!path)
		return err_set(e, ERR_NOMEM, "open %s", data_dir);
	return is_there(path) ? err_set(e, ERR_CONFLICT, "%s is there already", path) : 0;
}

int dbfile_open_reader(const char *data_dir, const struct db_stmt *stmts, size_t len, struct db **out,
		       struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	const char *path = path_join_in(&a, data_dir, FILE_NAME);
	if (!path)
		return err_set(e, ERR_NOMEM, "open %s", data_dir);
	return db_open(out, &(struct db_options){ "sqlite", path, DB_MODE_READER, stmts, len }, e);
}

static int bring_up(const char *path, int64_t version, struct err *e)
{
	struct db *db;
	if (db_open(&db,
		    &(struct db_options){ "sqlite", path, DB_MODE_WRITER, probe_statements, PROBE_COUNT },
		    e) < 0)
		return -1;
	int rc = migrate(db, version, e);
	if (rc == 0)
		rc = keep_state_rules(db, e);
	db_close(db);
	return rc;
}

int dbfile_open(const char *data_dir, bool is_create, struct db **writer, struct db **reader, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	int64_t version = 0;
	const char *path = path_join_in(&a, data_dir, FILE_NAME);
	if (!path)
		return err_set(e, ERR_NOMEM, "open %s", data_dir);
	if (!is_there(path)) {
		if (!is_create)
			return err_set(e, ERR_NOT_FOUND, "there is no %s", path);
		if (create(data_dir, path, NULL, NULL, &a, e) < 0)
			return -1;
	}
	if (probe(path, &a, &version, e) < 0 || bring_up(path, version, e) < 0)
		return -1;
	struct db_options o = { "sqlite", path, DB_MODE_WRITER, store_statements, STMT_COUNT };
	if (db_open(writer, &o, e) < 0)
		return -1;
	o.mode = DB_MODE_READER;
	return db_open(reader, &o, e);
}
