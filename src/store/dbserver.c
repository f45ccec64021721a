/* The database on a server: whose the schema is, which version it has; and this server's row in the table writer.
 *
 * Nothing is changed in a schema of that name that is somebody else's, or of a newer version. Several servers may
 * start at once: one of them migrates, in one transaction and under a lock, and the others wait for it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "base/embed.h"
#include "base/parse.h"
#include "base/random.h"
#include "store/store_priv.h"
#include "store/tables_priv.h"

#define SCHEMA "slipway"

enum {
	TRIES = 8,
	FORGET_MS = 7 * 24 * 3600 * 1000, /* rows of servers that are gone */
};

/* Made from sql/postgres/NNN-….sql. */
extern const struct embed_file store_sql_postgres[];

enum {
	PROBE_ENCODING,
	PROBE_SCHEMA,
	PROBE_IS_OURS,
	PROBE_META,
	PROBE_META_SET,
	PROBE_LOCK,
	PROBE_OTHERS,
	PROBE_COUNT
};
static const struct db_stmt probe_statements[PROBE_COUNT] = {
	[PROBE_ENCODING] = { "encoding", "SELECT current_setting('server_encoding')" },
	[PROBE_SCHEMA] = { "schema", "SELECT count(*) FROM pg_namespace WHERE nspname = '" SCHEMA "'" },
	[PROBE_IS_OURS] = { "is_ours",
			    "SELECT count(*) FROM information_schema.columns WHERE table_schema = '" SCHEMA
			    "'"
			    " AND table_name = 'meta' AND column_name IN ('name', 'value')" },
	[PROBE_META] = { "meta", "SELECT value FROM meta WHERE name = $1" },
	[PROBE_META_SET] = { "meta_set", "INSERT INTO meta (name, value) VALUES ($1, $2)"
					 " ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value" },
	[PROBE_LOCK] = { "lock", "SELECT CAST(pg_advisory_xact_lock(1397508432, 2) AS text)" },
	[PROBE_OTHERS] = { "others",
			   "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
			   " AND application_name = 'slipway' AND pid <> pg_backend_pid()" },
};

static int dbserver_version(void)
{
	int n = 0;
	while (store_sql_postgres[n].name)
		n++;
	return n;
}

/* "" = there is no such value. */
static int get_text(struct db *db, int stmt, const char *name, struct arena *a, const char **out,
		    struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	const struct db_value arg = db_str(name);
	*out = "";
	if (db_query(db, stmt, &arg, name != NULL, &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc > 0 && !(*out = db_col_str(&rows, 0, a)))
		return err_set(e, ERR_NOMEM, "open database");
	return rc < 0 ? -1 : 0;
}

/* The triggers' text: one shift and one AND for a change, because this runs for each of them. */
static int rules_text(struct buf *out, struct err *e)
{
	buf_adds(out, "DROP TRIGGER IF EXISTS job_change ON job; DROP TRIGGER IF EXISTS job_birth ON job;"
		      " CREATE TRIGGER job_change BEFORE UPDATE OF state ON job FOR EACH ROW"
		      " WHEN (NEW.state <> OLD.state AND ((CASE OLD.state");
	for (int s = STATE_FIRST; s <= STATE_LAST; s++)
		buf_addf(out, " WHEN %d THEN %u", s, state_successors((enum job_state)s));
	buf_addf(out,
		 " END >> NEW.state::integer) & 1) = 0) EXECUTE FUNCTION refuse('illegal change of state');"
		 " CREATE TRIGGER job_birth BEFORE INSERT ON job FOR EACH ROW"
		 " WHEN (((%u >> NEW.state::integer) & 1) = 0) EXECUTE FUNCTION refuse('illegal state at"
		 " birth')",
		 state_successors((enum job_state)0));
	return buf_check(out, e);
}

struct found {
	bool is_there;
	int64_t version;
	const char *rules;
};

static int look(struct db *db, struct arena *a, struct found *f, struct err *e)
{
	int64_t schemas = 0, columns = 0;
	const char *encoding, *application = "", *version = "";
	*f = (struct found){ .rules = "" };
	if (get_text(db, PROBE_ENCODING, NULL, a, &encoding, e) < 0 ||
	    db_get_int(db, PROBE_SCHEMA, DB_NO_ARGS, &schemas, e) < 0)
		return -1;
	if (strcmp(encoding, "UTF8") != 0)
		return err_set(e, ERR_UNSUPPORTED, "the database's encoding is %s; it must be UTF8",
			       encoding);
	if (!schemas)
		return 0;
	if (db_get_int(db, PROBE_IS_OURS, DB_NO_ARGS, &columns, e) < 0 ||
	    (columns == 2 && (get_text(db, PROBE_META, "application", a, &application, e) < 0 ||
			      get_text(db, PROBE_META, "version", a, &version, e) < 0 ||
			      get_text(db, PROBE_META, "state_rules", a, &f->rules, e) < 0)))
		return -1;
	f->is_there = true;
	if (strcmp(application, "slipway") != 0 ||
	    parse_int("version", version, 0, INT32_MAX, &f->version, NULL) < 0)
		return err_set(e, ERR_CORRUPT,
			       "the database has a schema " SCHEMA
			       " of another program; nothing was changed");
	if (f->version > dbserver_version())
		return err_set(e, ERR_UNSUPPORTED,
			       "the database has schema %lld, made by a newer version; this one knows up to"
			       " %d. Nothing was changed",
			       (long long)f->version, dbserver_version());
	return 0;
}

static int migrate(struct db *db, struct arena *a, const struct found *f, const char *rules, struct err *e)
{
	for (int64_t i = f->version; store_sql_postgres[i].name; i++) {
		const struct embed_file *file = &store_sql_postgres[i];
		const char *text;
		int64_t version = 0;
		/* Each file ends by setting the version to its own number. */
		if (db_script(db, (const char *)file->bytes, e) < 0 ||
		    get_text(db, PROBE_META, "version", a, &text, e) < 0 ||
		    parse_int("version", text, i + 1, i + 1, &version, e) < 0)
			return err_wrap(e, "migration %s", file->name);
	}
	if (strcmp(rules, f->rules) == 0)
		return 0;
	if (db_script(db, rules, e) < 0 ||
	    db_exec(db, PROBE_META_SET, DB_ARGS(db_str("state_rules"), db_str(rules)), NULL, e) < 0)
		return err_wrap(e, "rules of states");
	return 0;
}

static bool is_current(const struct found *f, const char *rules)
{
	return f->is_there && f->version == dbserver_version() && strcmp(f->rules, rules) == 0;
}

static int bring_up(struct db *db, bool is_create, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	CLEAN_BUF struct buf rules = BUF_INIT;
	struct found f;
	const char *locked;
	if (rules_text(&rules, e) < 0 || db_begin(db, e) < 0 || look(db, &a, &f, e) < 0)
		return -1;
	if (!f.is_there && !is_create)
		return err_set(e, ERR_NOT_FOUND, "the database has no schema " SCHEMA);
	if (is_current(&f, rules.data))
		return 0;
	if (get_text(db, PROBE_LOCK, NULL, &a, &locked, e) < 0 || look(db, &a, &f, e) < 0)
		return -1;
	return migrate(db, &a, &f, rules.data, e) < 0 ? -1 : db_commit(db, e);
}

void dbserver_pause(int tries)
{
	uint64_t most_ms = tries < 6 ? 10u << tries : 500;
	uint64_t ms = 1 + random_below(most_ms);
	nanosleep(&(struct timespec){ .tv_sec = 0, .tv_nsec = (long)ms * 1000000 }, NULL);
}

static int prepare(const char *url, bool is_create, struct err *e)
{
	struct db *db;
	if (db_open(&db,
		    &(struct db_options){ "postgresql", url, DB_MODE_WRITER, probe_statements, PROBE_COUNT,
					  SCHEMA },
		    e) < 0)
		return -1;
	int rc = -1;
	for (int i = 0; i < TRIES && rc < 0; i++) {
		rc = bring_up(db, is_create, e);
		db_rollback(db);
		if (rc == 0 || !db_must_repeat(db))
			break;
		dbserver_pause(i);
		if (db_is_lost(db) && db_reconnect(db, e) < 0)
			break;
	}
	db_close(db);
	return rc;
}

/* Our row in the table writer. */
static int enlist(struct tx *tx, struct err *e)
{
	CLEAN_ROWS struct db_rows rows = { .db = tx->db };
	if (db_begin(tx->db, e) < 0 ||
	    tx_exec(tx, STMT_WRITER_FORGET, DB_ARGS(db_int(db_began_ms(tx->db) - FORGET_MS)), NULL, e) < 0 ||
	    tx_query(tx, STMT_WRITER_ADD, DB_ARGS(db_int(db_began_ms(tx->db))), &rows, e) < 0 ||
	    db_next(&rows, e) <= 0)
		return -1;
	tx->remote.writer = db_col_int(&rows, 0);
	return db_commit(tx->db, e);
}

static int open_both(const char *url, bool is_create, struct tx *writer, struct tx *reader, struct err *e)
{
	struct db_options o = { "postgresql", url, DB_MODE_WRITER, store_statements, STMT_COUNT, SCHEMA };
	if (prepare(url, is_create, e) < 0 || db_open(&writer->db, &o, e) < 0)
		return -1;
	o.mode = DB_MODE_READER;
	if (db_open(&reader->db, &o, e) < 0)
		return -1;
	int rc = enlist(writer, e);
	db_rollback(writer->db);
	return rc;
}

int dbserver_open(const char *url, bool is_create, struct tx *writer, struct tx *reader, struct err *e)
{
	int rc = open_both(url, is_create, writer, reader, e);
	/* It went away while it was opened. */
	if (rc < 0 && e && e->code == ERR_BUSY)
		e->code = ERR_UNREACHABLE;
	return rc;
}

int dbserver_connect(const char *url, struct db **out, struct err *e)
{
	struct db_options o = { "postgresql", url, DB_MODE_WRITER, store_statements, STMT_COUNT, SCHEMA };
	return db_open(out, &o, e);
}

static int refuse_if_there(const struct found *f, struct err *e)
{
	return f->is_there ? err_set(e, ERR_CONFLICT, "the database has a schema " SCHEMA " already") : 0;
}

int dbserver_check_absent(const char *url, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct found f;
	struct db *db;
	if (dbserver_open_reader(url, probe_statements, PROBE_COUNT, &db, e) < 0)
		return -1;
	int rc = db_begin(db, e) < 0 || look(db, &a, &f, e) < 0 ? -1 : refuse_if_there(&f, e);
	db_rollback(db);
	db_close(db);
	return rc;
}

int dbserver_check_unused(const char *url, struct err *e)
{
	struct db *db;
	int64_t others = 0;
	if (dbserver_open_reader(url, probe_statements, PROBE_COUNT, &db, e) < 0)
		return -1;
	int rc = db_begin(db, e) < 0 ? -1 : db_get_int(db, PROBE_OTHERS, DB_NO_ARGS, &others, e);
	db_rollback(db);
	db_close(db);
	if (rc == 0 && others)
		return err_set(e, ERR_BUSY, "the database is in use: %lld connections of Slipway",
			       (long long)others);
	return rc;
}

int dbserver_open_reader(const char *url, const struct db_stmt *stmts, size_t len, struct db **out,
			 struct err *e)
{
	return db_open(out, &(struct db_options){ "postgresql", url, DB_MODE_READER, stmts, len, SCHEMA }, e);
}

/* The rules of states come at the first start: what is put in is no job's birth. */
static int create_and_fill(struct db *db, db_fill_fn *fill, void *ctx, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct found f;
	const char *locked;
	if (db_begin(db, e) < 0 || get_text(db, PROBE_LOCK, NULL, &a, &locked, e) < 0 ||
	    look(db, &a, &f, e) < 0 || refuse_if_there(&f, e) < 0 || migrate(db, &a, &f, "", e) < 0 ||
	    fill(db, PROBE_COUNT, ctx, e) < 0)
		return -1;
	return db_commit(db, e);
}

int dbserver_create(const char *url, db_fill_fn *fill, void *ctx, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	size_t len;
	const struct db_stmt *stmts = tables_statements(probe_statements, PROBE_COUNT, &len, &a);
	struct db *db;
	if (!stmts)
		return err_set(e, ERR_NOMEM, "create the schema");
	if (db_open(&db, &(struct db_options){ "postgresql", url, DB_MODE_WRITER, stmts, len, SCHEMA }, e) <
	    0)
		return -1;
	int rc = create_and_fill(db, fill, ctx, e);
	db_rollback(db);
	db_close(db);
	return rc;
}
