/* PostgreSQL.
 *
 * The connection is in libpq's pipeline mode all the time: statements whose answer nobody waits for are sent
 * along with the next one that somebody does wait for. An error in a pipeline skips what comes after it, so
 * whatever was sent is answered for in order (drain) before anything else happens.
 *
 * No state is kept in the session, so that a pooler may give each transaction another: settings are those of
 * the transaction. Statements are prepared, under names that no other connection uses, so that one is never taken
 * for another; where a pooler turns out not to keep them, which shows at the first statement of a transaction,
 * they are no longer. */
#include <endian.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/clean.h"
#include "base/random.h"
#include "db/postgres_priv.h"

enum {
	ARGS_MAX = 40,
	SENT_MAX = 256, /* unanswered; their answers are short and fit into the socket's buffer */
	/* Types, from pg_type.dat: they never change. */
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_NAME = 19,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_TEXT = 25,
};

/* Our own statements; their keys come before those of the caller's. */
enum { OWN_CLOCK_WRITER = DB_CONTROLS, OWN_CLOCK_READER, OWN_COUNT };

/* A server that answers a write must have it on disk, whatever its administrator thinks of others' data. The
 * planner is given no choice in what writes: each statement has an index made for it, and statistics of a table
 * that is now empty and now full would talk it out of using it (docs/adr/006). */
#define SETTINGS                                                                                  \
	"SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,"                          \
	" set_config('search_path', $1, true), set_config('lock_timeout', '5s', true),"           \
	" set_config('idle_in_transaction_session_timeout', '60s', true),"                        \
	" set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off'" \
	" THEN 'on' ELSE current_setting('synchronous_commit') END, true)"
static const struct db_stmt own[OWN_COUNT] = {
	[DB_BEGIN] = { "begin", "BEGIN ISOLATION LEVEL READ COMMITTED" },
	[DB_COMMIT] = { "commit", "COMMIT" },
	[DB_ROLLBACK] = { "rollback", "ROLLBACK" },
	[DB_SAVEPOINT] = { "savepoint", "SAVEPOINT task" },
	[DB_RELEASE] = { "release", "RELEASE SAVEPOINT task" },
	[DB_ROLLBACK_TO] = { "rollback to", "ROLLBACK TO SAVEPOINT task" },
	[OWN_CLOCK_WRITER] = { "settings",
			       SETTINGS ", set_config('transaction_isolation', 'read committed', true),"
					" set_config('plan_cache_mode', 'force_generic_plan', true),"
					" set_config('enable_seqscan', 'off', true),"
					" set_config('enable_bitmapscan', 'off', true),"
					" set_config('enable_sort', 'off', true)" },
	[OWN_CLOCK_READER] = { "settings",
			       SETTINGS ", set_config('plan_cache_mode', 'force_custom_plan', true)" },
};
static const char begin_reader[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

struct sent {
	int key;
	bool is_prepare;
	bool must_change; /* a row */
};

struct cursor {
	PGresult *result;
	int row;
};

struct postgres_db {
	struct db db;
	PGconn *c;
	const struct db_stmt *stmts;
	size_t keys; /* OWN_COUNT and the caller's */
	bool *is_prepared;
	char *url;
	const char *schema;
	bool is_reader, is_begun;
	bool has_must; /* something sent must have changed a row: not to be committed before that is known */
	bool is_unnamed; /* the pooler keeps no statements */
	char token[RANDOM_HEX_BYTES(8)];
	struct sent sent[SENT_MAX * 2 + 8];
	size_t sent_len;
};

static struct postgres_db *of(struct db *db)
{
	return (struct postgres_db *)db;
}

struct pg_conn *postgres_connection(const struct db *db)
{
	return ((const struct postgres_db *)db)->c;
}

static const char *name_of(const struct postgres_db *p, int key)
{
	return key < OWN_COUNT ? own[key].name : p->stmts[key - OWN_COUNT].name;
}

static const char *sql_of(const struct postgres_db *p, int key)
{
	if (key == DB_BEGIN && p->is_reader)
		return begin_reader;
	const struct db_stmt *s = key < OWN_COUNT ? &own[key] : &p->stmts[key - OWN_COUNT];
	return s->sql_pg ? s->sql_pg : s->sql;
}

/* --- the connection --- */

static void forget_session(struct postgres_db *p)
{
	memset(p->is_prepared, 0, p->keys * sizeof *p->is_prepared);
	p->sent_len = 0;
	p->is_begun = p->has_must = false;
}

/* *e is set already. */
static void lose(struct postgres_db *p)
{
	p->db.is_lost = p->db.must_repeat = true;
	forget_session(p);
}

static int lost_at(struct postgres_db *p, int key, struct err *e)
{
	pg_error_connection(p->c, name_of(p, key), ERR_BUSY, e);
	lose(p);
	return -1;
}

static void ignore_notice(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
}

/* The URL may say otherwise. A machine that is gone does not say so. Who sends to it learns that by tcp_user_timeout, and who has
 * sent all and waits for the answer by keepalives: early enough to find the standby before leases end. */
static const struct {
	const char *key, *value;
} settings[] = {
	{ "target_session_attrs", "read-write" }, { "connect_timeout", "5" },
	{ "tcp_user_timeout", "10000" },	  { "keepalives_idle", "5" },
	{ "keepalives_interval", "1" },		  { "keepalives_count", "5" },
	{ "application_name", "slipway" },
};

static int connect_to(struct postgres_db *p, struct err *e)
{
	const char *keys[ARRAY_LEN(settings) + 3] = { NULL }, *values[ARRAY_LEN(settings) + 3] = { NULL };
	size_t n = 0;
	for (; n < ARRAY_LEN(settings); n++) {
		keys[n] = settings[n].key;
		values[n] = settings[n].value;
	}
	keys[n] = "dbname";
	values[n++] = p->url;
	keys[n] = "client_encoding";
	values[n] = "UTF8";
	p->c = PQconnectdbParams(keys, values, 1);
	if (!p->c || PQstatus(p->c) != CONNECTION_OK) {
		pg_error_connection(p->c, "connect", ERR_UNREACHABLE, e);
		return -1;
	}
	PQsetNoticeProcessor(p->c, ignore_notice, NULL);
	if (!PQenterPipelineMode(p->c))
		return err_set(e, ERR_INTERNAL, "database: no pipeline mode");
	forget_session(p);
	p->db.is_lost = false;
	return random_hex(p->token, 8, e);
}

static int pg_reconnect(struct db *db, struct err *e)
{
	struct postgres_db *p = of(db);
	PQfinish(p->c);
	p->c = NULL;
	p->db.is_lost = true;
	return connect_to(p, e);
}

static void pg_close(struct db *db)
{
	struct postgres_db *p = of(db);
	PQfinish(p->c);
	free(p->is_prepared);
	free(p->url);
	free(p);
}

static int pg_open(struct db **out, const struct db_options *o, struct err *e)
{
	struct postgres_db *p = calloc(1, sizeof *p);
	if (!p)
		return err_set(e, ERR_NOMEM, "open database");
	p->db.driver = &db_driver_postgres;
	p->stmts = o->stmts;
	p->keys = OWN_COUNT + o->stmts_len;
	p->schema = o->schema ? o->schema : "public";
	p->is_reader = o->mode == DB_MODE_READER;
	p->is_prepared = calloc(p->keys, sizeof *p->is_prepared);
	p->url = strdup(o->path);
	int rc = p->is_prepared && p->url ? connect_to(p, e) : err_set(e, ERR_NOMEM, "open database");
	if (rc < 0) {
		pg_close(&p->db);
		return -1;
	}
	*out = &p->db;
	return 0;
}

/* --- the pipeline --- */

static void note_error(struct postgres_db *p, const PGresult *r, int key, struct err *e)
{
	enum pg_verdict v = pg_error_read(r, name_of(p, key), e);
	p->is_unnamed |= v == PG_UNPREPARED;
	p->db.must_repeat |= v != PG_FAILED;
	p->db.is_lost |= v == PG_LOST;
}

/* The answer to one command; NULL if it failed. *e is set by the first failure. */
static PGresult *take_answer(struct postgres_db *p, const struct sent *s, bool *has_failed, struct err *e)
{
	PGresult *r = PQgetResult(p->c), *more;
	ExecStatusType status = PQresultStatus(r);
	bool is_good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
	if (!is_good) {
		if (s->is_prepare)
			p->is_prepared[s->key] = false;
		if (!*has_failed && status != PGRES_PIPELINE_ABORTED)
			note_error(p, r, s->key, e);
		*has_failed = true;
		PQclear(r);
		r = NULL;
	} else if (s->must_change && strtoll(PQcmdTuples(r), NULL, 10) == 0) {
		if (!*has_failed)
			err_set(e, ERR_STALE, "statement %s: the row has changed meanwhile",
				name_of(p, s->key));
		p->db.must_repeat = *has_failed = true;
	}
	while ((more = PQgetResult(p->c)))
		PQclear(more);
	return r;
}

/* A pooler may hand us a session in which somebody listens. */
static void forget_notices(struct postgres_db *p)
{
	for (PGnotify *n; (n = PQnotifies(p->c));)
		PQfreemem(n);
}

/* Everything sent is answered for. *out (may be NULL): the answer to the last of it. */
static int drain(struct postgres_db *p, PGresult **out, struct err *e)
{
	bool has_failed = false;
	PGresult *last = NULL;
	int key = p->sent_len ? p->sent[p->sent_len - 1].key : DB_ROLLBACK;
	if (!PQpipelineSync(p->c))
		return lost_at(p, key, e);
	for (size_t i = 0; i < p->sent_len && PQstatus(p->c) == CONNECTION_OK; i++) {
		PQclear(last);
		last = take_answer(p, &p->sent[i], &has_failed, e);
	}
	p->sent_len = 0;
	p->has_must = false;
	if (p->is_begun || p->is_reader)
		forget_notices(p);
	PGresult *sync = PQstatus(p->c) == CONNECTION_OK ? PQgetResult(p->c) : NULL;
	bool is_synced = PQresultStatus(sync) == PGRES_PIPELINE_SYNC;
	PQclear(sync);
	if (!is_synced || PQstatus(p->c) != CONNECTION_OK || p->db.is_lost) {
		PQclear(last);
		if (!has_failed)
			pg_error_connection(p->c, name_of(p, key), ERR_BUSY, e);
		lose(p);
		return -1;
	}
	if (has_failed || !out) {
		PQclear(last);
		return has_failed ? -1 : 0;
	}
	*out = last;
	return 0;
}

struct encoded {
	int64_t ints[ARGS_MAX];
	const char *values[ARGS_MAX];
	int lengths[ARGS_MAX], formats[ARGS_MAX];
};

static void encode(struct encoded *to, const struct db_value *args, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct db_value *v = &args[i];
		to->formats[i] = 1;
		to->values[i] = v->type == DB_NULL ? NULL : v->p ? v->p : "";
		to->lengths[i] = (int)v->n;
		if (v->type != DB_INT)
			continue;
		to->ints[i] = (int64_t)htobe64((uint64_t)v->i);
		to->values[i] = (const char *)&to->ints[i];
		to->lengths[i] = sizeof to->ints[i];
	}
}

static void note_sent(struct postgres_db *p, int key, bool is_prepare)
{
	p->sent[p->sent_len++] = (struct sent){ key, is_prepare, false };
}

static int send(struct postgres_db *p, int key, const struct db_value *args, size_t n, struct err *e)
{
	struct encoded v;
	char name[48];
	if (p->db.is_lost)
		return lost_at(p, key, e);
	if (n > ARGS_MAX)
		return err_set(e, ERR_INTERNAL, "statement %s: too many values", name_of(p, key));
	encode(&v, args, n);
	if (p->is_unnamed) {
		if (!PQsendQueryParams(p->c, sql_of(p, key), (int)n, NULL, v.values, v.lengths, v.formats, 1))
			return lost_at(p, key, e);
		note_sent(p, key, false);
		return 0;
	}
	snprintf(name, sizeof name, "slipway_%d_%s", key, p->token);
	if (!p->is_prepared[key]) {
		if (!PQsendPrepare(p->c, name, sql_of(p, key), 0, NULL))
			return lost_at(p, key, e);
		note_sent(p, key, true);
		p->is_prepared[key] = true;
	}
	if (!PQsendQueryPrepared(p->c, name, (int)n, v.values, v.lengths, v.formats, 1))
		return lost_at(p, key, e);
	note_sent(p, key, false);
	return 0;
}

/* Send the statement and wait for its answer. */
static int ask(struct postgres_db *p, int key, const struct db_value *args, size_t n, PGresult **out,
	       struct err *e)
{
	return send(p, key, args, n, e) < 0 ? -1 : drain(p, out, e);
}

static int key_of(const struct postgres_db *p, int stmt, struct err *e)
{
	if (stmt < 0 || (size_t)stmt >= p->keys - OWN_COUNT)
		return err_set(e, ERR_INTERNAL, "no statement %d", stmt);
	return OWN_COUNT + stmt;
}

static int pg_exec(struct db *db, int stmt, const struct db_value *args, size_t n, int64_t *changed,
		   struct err *e)
{
	struct postgres_db *p = of(db);
	PGresult *r = NULL;
	int key = key_of(p, stmt, e);
	if (key < 0 || send(p, key, args, n, e) < 0)
		return -1;
	if (!changed && p->is_begun && p->sent_len < SENT_MAX)
		return 0;
	if (drain(p, &r, e) < 0)
		return -1;
	bool has_rows = PQresultStatus(r) == PGRES_TUPLES_OK && PQnfields(r) > 0;
	if (changed)
		*changed = strtoll(PQcmdTuples(r), NULL, 10);
	PQclear(r);
	return has_rows ? err_set(e, ERR_INTERNAL, "statement %s gives rows", name_of(p, key)) : 0;
}

static int pg_exec_must(struct db *db, int stmt, const struct db_value *args, size_t n, struct err *e)
{
	struct postgres_db *p = of(db);
	int key = key_of(p, stmt, e);
	if (key < 0 || send(p, key, args, n, e) < 0)
		return -1;
	p->sent[p->sent_len - 1].must_change = p->has_must = true;
	return p->is_begun && p->sent_len < SENT_MAX ? 0 : drain(p, NULL, e);
}

/* --- rows --- */

static bool is_known_type(Oid type)
{
	return type == OID_BOOL || type == OID_BYTEA || type == OID_NAME || type == OID_INT8 ||
	       type == OID_INT2 || type == OID_INT4 || type == OID_TEXT;
}

static int pg_query(struct db *db, int stmt, const struct db_value *args, size_t n, struct db_rows *rows,
		    struct err *e)
{
	struct postgres_db *p = of(db);
	PGresult *r = NULL;
	int key = key_of(p, stmt, e);
	if (key < 0 || ask(p, key, args, n, &r, e) < 0)
		return -1;
	for (int i = 0; i < PQnfields(r); i++)
		if (!is_known_type(PQftype(r, i))) {
			err_set(e, ERR_INTERNAL, "statement %s: column %d is of type %u", name_of(p, key), i,
				PQftype(r, i));
			PQclear(r);
			return -1;
		}
	struct cursor *c = malloc(sizeof *c);
	if (!c) {
		PQclear(r);
		return err_set(e, ERR_NOMEM, "query");
	}
	*c = (struct cursor){ r, -1 };
	rows->at = c;
	return 0;
}

static int pg_next(struct db_rows *rows, struct err *e)
{
	struct cursor *c = rows->at;
	(void)e;
	return ++c->row < PQntuples(c->result);
}

static void pg_end(struct db_rows *rows)
{
	struct cursor *c = rows->at;
	PQclear(c->result);
	free(c);
}

static bool has_value(const struct cursor *c, int col)
{
	return c->row >= 0 && c->row < PQntuples(c->result) && !PQgetisnull(c->result, c->row, col);
}

static int64_t pg_col_int(struct db_rows *rows, int col)
{
	const struct cursor *c = rows->at;
	if (!c || !has_value(c, col))
		return 0;
	const char *v = PQgetvalue(c->result, c->row, col);
	uint16_t i2;
	uint32_t i4;
	uint64_t i8;
	switch (PQftype(c->result, col)) {
	case OID_BOOL:
		return *v != 0;
	case OID_INT2:
		memcpy(&i2, v, sizeof i2);
		return (int16_t)be16toh(i2);
	case OID_INT4:
		memcpy(&i4, v, sizeof i4);
		return (int32_t)be32toh(i4);
	case OID_INT8:
		memcpy(&i8, v, sizeof i8);
		return (int64_t)be64toh(i8);
	default:
		return strtoll(v, NULL, 10);
	}
}

static bool pg_col_is_null(struct db_rows *rows, int col)
{
	return !rows->at || !has_value(rows->at, col);
}

static const void *pg_col_bytes(struct db_rows *rows, int col, size_t *n)
{
	const struct cursor *c = rows->at;
	*n = 0;
	if (!c || !has_value(c, col))
		return NULL;
	*n = (size_t)PQgetlength(c->result, c->row, col);
	return PQgetvalue(c->result, c->row, col);
}

/* --- transactions --- */

/* key -1: nothing beside the begin itself. */
static int begin(struct postgres_db *p, int key, const struct db_value *args, size_t n, struct err *e)
{
	PGresult *r = NULL;
	int clock = p->is_reader ? OWN_CLOCK_READER : OWN_CLOCK_WRITER;
	p->db.must_repeat = false;
	bool was_unnamed = p->is_unnamed;
	if (send(p, DB_BEGIN, NULL, 0, e) < 0 || ask(p, clock, DB_ARGS(db_str(p->schema)), &r, e) < 0) {
		if (p->is_unnamed && !was_unnamed && !p->db.is_lost)
			return begin(p, key, args, n, e);
		p->is_begun = !p->db.is_lost && PQtransactionStatus(p->c) != PQTRANS_IDLE;
		return -1;
	}
	struct db_rows rows = { .db = &p->db, .at = &(struct cursor){ r, 0 } };
	p->db.began_ms = pg_col_int(&rows, 0);
	PQclear(r);
	p->is_begun = true;
	return key < 0 ? 0 : ask(p, key, args, n, NULL, e);
}

static int pg_begin_with(struct db *db, int stmt, const struct db_value *args, size_t n, struct err *e)
{
	int key = key_of(of(db), stmt, e);
	return key < 0 ? -1 : begin(of(db), key, args, n, e);
}

/* A connection that breaks now takes the answer along. */
static int commit(struct postgres_db *p, struct err *e)
{
	PGresult *r = NULL;
	if (p->has_must && drain(p, NULL, e) < 0)
		return -1;
	int rc = ask(p, DB_COMMIT, NULL, 0, &r, e);
	/* The server answers a commit of what it had to undo by saying that it rolled back. */
	bool is_committed = rc == 0 && strcmp(PQcmdStatus(r), "COMMIT") == 0;
	PQclear(r);
	if (p->db.is_lost && e)
		e->code = ERR_UNCERTAIN;
	p->is_begun = !p->db.is_lost && PQtransactionStatus(p->c) != PQTRANS_IDLE;
	if (rc < 0)
		return -1;
	return is_committed ? 0
			    : err_set(e, ERR_INTERNAL, "database: a statement had failed, and all is undone");
}

static int pg_control(struct db *db, enum db_control c, struct err *e)
{
	struct postgres_db *p = of(db);
	/* Errors of what will be undone are of no interest. */
	bool is_undo = c == DB_ROLLBACK || c == DB_ROLLBACK_TO;
	if (is_undo && p->sent_len)
		drain(p, NULL, NULL);
	if (p->db.is_lost)
		return lost_at(p, (int)c, e);
	switch (c) {
	case DB_BEGIN:
		return begin(p, -1, NULL, 0, e);
	case DB_COMMIT:
		return commit(p, e);
	case DB_SAVEPOINT:
		return send(p, (int)c, NULL, 0, e);
	case DB_ROLLBACK:
		p->is_begun = false;
		return ask(p, (int)c, NULL, 0, NULL, e);
	case DB_RELEASE:
	case DB_ROLLBACK_TO:
		return ask(p, (int)c, NULL, 0, NULL, e);
	case DB_CONTROLS:
		break;
	}
	return -1;
}

static bool pg_is_in_transaction(const struct db *db)
{
	return ((const struct postgres_db *)db)->is_begun;
}

static bool pg_is_undone(const struct db *db)
{
	const struct postgres_db *p = (const struct postgres_db *)db;
	return db->is_lost || PQtransactionStatus(p->c) == PQTRANS_INERROR;
}

/* Several statements in one text are a matter of the simple protocol. */
static int pg_script(struct db *db, const char *sql, struct err *e)
{
	struct postgres_db *p = of(db);
	if (p->db.is_lost)
		return lost_at(p, DB_BEGIN, e);
	if (p->sent_len && drain(p, NULL, e) < 0)
		return -1;
	if (!PQexitPipelineMode(p->c))
		return err_set(e, ERR_INTERNAL, "database: script: %s", PQerrorMessage(p->c));
	PGresult *r = PQexec(p->c, sql);
	ExecStatusType status = PQresultStatus(r);
	bool is_good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
	if (!is_good && pg_error_read(r, "script", e) == PG_LOST)
		lose(p);
	PQclear(r);
	if (!p->db.is_lost && !PQenterPipelineMode(p->c))
		return err_set(e, ERR_INTERNAL, "database: no pipeline mode");
	return is_good ? 0 : -1;
}

const struct db_driver db_driver_postgres = {
	.name = "postgresql",
	.caps = DB_SKIP_LOCKED | DB_REMOTE,
	.open = pg_open,
	.close = pg_close,
	.exec = pg_exec,
	.query = pg_query,
	.next = pg_next,
	.end = pg_end,
	.col_int = pg_col_int,
	.col_is_null = pg_col_is_null,
	.col_bytes = pg_col_bytes,
	.control = pg_control,
	.is_in_transaction = pg_is_in_transaction,
	.script = pg_script,
	.reconnect = pg_reconnect,
	.exec_must = pg_exec_must,
	.begin_with = pg_begin_with,
	.is_undone = pg_is_undone,
	.wait = postgres_wait,
};
