#include "store/tables_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "db/db.h"
#include "text/json.h"

enum {
	PAGE = 2000, /* rows of one query */
	COLUMNS_MAX = 40,
	WRITE_BYTES = 256 * 1024,
};

const struct table store_tables[] = {
	{ "string", "id,text", "it", 1 },
	{ "lane", "id,kind,isolation,arch,tags", "iiitt", 1 },
	{ "worker",
	  "id,name,machine,boot_id,session,session_n,version,arch,isolations,tags,slots,state,failures,beat_at,is_online,server,"
	  "quarantine,quarantined,suspect_of,troubles,died,died_session,zones,status,demands",
	  "ittttittitiiiiiitiitiittt", 1 },
	{ "owner", "id,weight,running_max,zone", "iiit", 1 },
	{ "limit_key", "id,owner,name,n,running", "iitii", 1 },
	{ "target", "id,name,suite,arch,image,image_bytes,state,updated,job", "ittttitii", 1 },
	{ "job",
	  "id,kind,state,reason,lane,worker,attempt,max_attempts,failures,losses,retry_delay,run_at,started,finished,"
	  "lease_until,is_cancel_asked,needs_left,is_needed,events,exit_code,signal,artifacts,priority,owner,target,chain,"
	  "created,timeout,silence,name,dedupe,progress,payload,result,limit_key,is_gated",
	  "iiiiiiiiiiiiiiiiiiiiiiiiiiiiitttttii", 1 },
	{ "payload", "job,body", "it", 1 },
	{ "build", "job,type,source,version", "ittt", 1 },
	{ "recipe", "job,text", "it", 1 },
	{ "need", "job,needs", "ii", 2 },
	{ "input", "job,sha256", "it", 2 },
	{ "attempt",
	  "job,n,worker,session_n,started,finished,outcome,reason,exit_code,signal,wall_ms,cpu_user_us,cpu_sys_us,"
	  "memory_peak,log_bytes,is_log_truncated,is_log_inline,step,detail",
	  "iiiiiiiiiiiiiiiiitt", 2 },
	{ "attempt_log", "job,n,bytes", "iib", 2 },
	{ "artifact", "job,attempt,name,sha256,size", "iitti", 3 },
	{ "event", "job,n,at,actor,from_state,to_state,reason,detail", "iiiiiiit", 2 },
	{ "audit", "id,at,actor,subject,detail", "iittt", 1 },
	{ "token", "id,role,name,hash,next_hash,zones,maker,created,expires,used,revoked,born,changes",
	  "iitttttiiiiii", 1 },
	{ "duration", "lane,owner,target,name,n,log_mean,log_var,mean,deviation,used", "iiitiiiiii", 4 },
	{ "forecast", "what,n,within,log_off", "iiii", 1 },
	{ NULL, NULL, NULL, 0 },
};
enum { TABLES = sizeof store_tables / sizeof store_tables[0] - 1 };

static const struct db_stmt own[TABLES_OWN_COUNT] = {
	[TABLES_LOGS] = { "backup_logs",
			  "SELECT job, n FROM attempt WHERE is_log_inline = 0 AND (log_bytes > 0 OR"
			  " outcome = 0) AND (job, n) > ($1, $2) ORDER BY job, n LIMIT 2000" },
	[TABLES_EMPTY_LANES] = { "restore_lanes", "DELETE FROM lane" },
	[TABLES_TALLY] = { "restore_tally",
			   "INSERT INTO tally (kind, state, n) SELECT kind, state, count(*) FROM job GROUP BY kind, state",
			   "INSERT INTO tally (kind, state, part, n) SELECT kind, state, 0, count(*) FROM job"
			   " GROUP BY kind, state" },
	[TABLES_END_SESSIONS] = { "restore_sessions",
				  "UPDATE worker SET session = $1 || id, session_n = session_n + 1, is_online = 0, server = 0" },
	/* On SQLite numbers go on by themselves. */
	[TABLES_NUMBERS] = { "restore_numbers", "SELECT 0",
			     "SELECT setval('job_number', (SELECT coalesce(max(id), 0) + 1 FROM job), false),"
			     " setval(pg_get_serial_sequence('string', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM string), false),"
			     " setval(pg_get_serial_sequence('lane', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM lane), false),"
			     " setval(pg_get_serial_sequence('worker', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM worker), false),"
			     " setval(pg_get_serial_sequence('limit_key', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM limit_key), false),"
			     " setval(pg_get_serial_sequence('target', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM target), false),"
			     " setval(pg_get_serial_sequence('audit', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM audit), false),"
			     " setval(pg_get_serial_sequence('token', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM token), false)" },
};

int tables_stmt(size_t base, enum tables_stmt stmt)
{
	return (int)(base + 2 * TABLES + (size_t)stmt);
}

static int page_of(size_t base, size_t at)
{
	return (int)(base + 2 * at);
}

/* "job,n" of "job,n,worker…". */
static size_t key_length(const struct table *t)
{
	size_t n = 0;
	for (int k = 0; k < t->keys; k++)
		n += strcspn(t->columns + n, ",") + 1;
	return n - 1;
}

static void add_places(struct buf *out, int n)
{
	for (int i = 1; i <= n; i++)
		buf_addf(out, "%s$%d", i > 1 ? ", " : "", i);
}

static const char *page_sql(const struct table *t, struct arena *a)
{
	CLEAN_BUF struct buf sql = BUF_INIT;
	int key = (int)key_length(t);
	buf_addf(&sql, "SELECT %s FROM %s WHERE (%.*s) > (", t->columns, t->name, key, t->columns);
	add_places(&sql, t->keys);
	buf_addf(&sql, ") ORDER BY %.*s LIMIT %d", key, t->columns, PAGE);
	return sql.is_failed ? NULL : arena_strndup(a, sql.data, sql.len);
}

static const char *add_sql(const struct table *t, struct arena *a)
{
	CLEAN_BUF struct buf sql = BUF_INIT;
	buf_addf(&sql, "INSERT INTO %s (%s) VALUES (", t->name, t->columns);
	add_places(&sql, (int)strlen(t->types));
	buf_addc(&sql, ')');
	return sql.is_failed ? NULL : arena_strndup(a, sql.data, sql.len);
}

struct db_stmt *tables_statements(const struct db_stmt *before, size_t base, size_t *len, struct arena *a)
{
	*len = base + 2 * TABLES + TABLES_OWN_COUNT;
	struct db_stmt *all = arena_array(a, *len, sizeof *all);
	for (size_t i = 0; all && i < base; i++)
		all[i] = before[i];
	for (size_t i = 0; all && i < TABLES; i++) {
		const struct table *t = &store_tables[i];
		struct db_stmt *at = &all[page_of(base, i)];
		at[0] = (struct db_stmt){ arena_printf(a, "dump_%s", t->name), page_sql(t, a), NULL };
		at[1] = (struct db_stmt){ arena_printf(a, "load_%s", t->name), add_sql(t, a), NULL };
		if (!at[0].name || !at[0].sql || !at[1].name || !at[1].sql)
			return NULL;
	}
	if (all)
		memcpy(&all[base + 2 * TABLES], own, sizeof own);
	return all;
}

/* --- dump --- */

struct dump {
	const struct table *table;
	struct buf text; /* not written yet */
	struct hash *hash;
	int fd;
	struct arena arena; /* of the key */
	struct db_value key[4];
	int64_t rows;
};

static int flush(struct dump *d, size_t least, struct err *e)
{
	if (buf_check(&d->text, e) < 0)
		return -1;
	if (d->text.len < least || !d->text.len)
		return 0;
	hash_add(d->hash, d->text.data, d->text.len);
	if (d->fd >= 0 && fd_write_all(d->fd, d->text.data, d->text.len, e) < 0)
		return -1;
	buf_reset(&d->text);
	return 0;
}

static void write_row(struct dump *d, struct db_rows *rows)
{
	struct json_writer w;
	jw_init(&w, &d->text);
	jw_begin_array(&w);
	for (int i = 0; d->table->types[i]; i++) {
		size_t n;
		const void *bytes;
		if (db_col_is_null(rows, i)) {
			jw_null(&w);
		} else if (d->table->types[i] == 'i') {
			jw_int(&w, db_col_int(rows, i));
		} else {
			bytes = db_col_blob(rows, i, &n);
			if (d->table->types[i] == 't')
				jw_strn(&w, bytes ? bytes : "", n);
			else
				jw_base64(&w, bytes, n);
		}
	}
	jw_end_array(&w);
	buf_addc(&d->text, '\n');
	d->rows++;
}

/* Where the next page begins. */
static int keep_key(struct dump *d, struct db_rows *rows, struct err *e)
{
	arena_release(&d->arena);
	for (int i = 0; i < d->table->keys; i++) {
		if (d->table->types[i] == 'i') {
			d->key[i] = db_int(db_col_int(rows, i));
			continue;
		}
		const char *text = db_col_str(rows, i, &d->arena);
		if (!text)
			return err_set(e, ERR_NOMEM, "table %s", d->table->name);
		d->key[i] = db_str(text);
	}
	return 0;
}

/* *n: rows of this page. */
static int dump_page(struct db *db, int stmt, struct dump *d, int *n, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	*n = 0;
	if (db_query(db, stmt, d->key, (size_t)d->table->keys, &rows, e) < 0)
		return -1;
	int rc;
	while ((rc = db_next(&rows, e)) > 0) {
		write_row(d, &rows);
		if (flush(d, WRITE_BYTES, e) < 0 || (++*n == PAGE && keep_key(d, &rows, e) < 0))
			return -1;
	}
	return rc;
}

int table_dump(struct db *db, size_t base, size_t at, int fd, struct table_sum *sum, struct err *e)
{
	struct dump d = { .table = &store_tables[at],
			  .text = BUF_INIT,
			  .hash = hash_new(),
			  .fd = fd,
			  .arena = ARENA_INIT };
	int n = PAGE, rc = d.hash ? 0 : err_set(e, ERR_NOMEM, "table %s", d.table->name);
	for (int i = 0; i < d.table->keys; i++)
		d.key[i] = d.table->types[i] == 'i' ? db_int(INT64_MIN) : db_str("");
	while (rc == 0 && n == PAGE)
		rc = dump_page(db, page_of(base, at), &d, &n, e);
	if (rc == 0)
		rc = flush(&d, 0, e);
	sum->rows = d.rows;
	if (rc == 0)
		hash_finish(d.hash, sum->sha256);
	else
		hash_free(d.hash);
	buf_release(&d.text);
	arena_release(&d.arena);
	return rc < 0 ? err_wrap(e, "table %s", store_tables[at].name) : 0;
}

/* --- load --- */

struct row {
	struct db_value values[COLUMNS_MAX];
	void *bytes[COLUMNS_MAX]; /* to be freed */
	size_t len;
};

static void row_release(struct row *r)
{
	for (size_t i = 0; i < r->len; i++)
		free(r->bytes[i]);
	r->len = 0;
}

static int read_value(const json_t *v, char type, struct row *r, struct err *e)
{
	struct db_value *out = &r->values[r->len];
	void **bytes = &r->bytes[r->len++];
	size_t n;
	*bytes = NULL;
	if (json_is_null(v))
		*out = db_null();
	else if (type == 'i' && json_is_integer(v))
		*out = db_int(json_integer_value(v));
	else if (type == 't' && json_is_string(v))
		*out = db_str(json_string_value(v));
	else if (type == 'b' && json_is_string(v) && (*bytes = base64_decode(json_string_value(v), &n)))
		*out = db_blob(*bytes, n);
	else
		return err_set(e, ERR_CORRUPT, "column %zu is not what it must be", r->len);
	return 0;
}

static int load_line(struct db *db, int stmt, const struct table *t, const char *line, size_t n,
		     struct err *e)
{
	CLEAN_JSON json_t *json = json_parse("row", line, n, e);
	struct row r = { .len = 0 };
	size_t columns = strlen(t->types);
	int rc = 0;
	if (!json)
		return -1;
	if (json_array_size(json) != columns)
		return err_set(e, ERR_CORRUPT, "it has %zu columns, not %zu", json_array_size(json), columns);
	for (size_t i = 0; rc == 0 && i < columns; i++)
		rc = read_value(json_array_get(json, i), t->types[i], &r, e);
	if (rc == 0)
		rc = db_exec(db, stmt, r.values, columns, NULL, e);
	row_release(&r);
	return rc;
}

int table_load(struct db *db, size_t base, size_t at, const char *path, struct table_sum *sum, struct err *e)
{
	const struct table *t = &store_tables[at];
	CLEAN_FILE FILE *f = fopen(path, "re");
	CLEAN_FREE char *line = NULL;
	size_t size = 0;
	ssize_t n;
	struct hash *hash = hash_new();
	int rc = !f ? err_sys(e, "open %s", path) : hash ? 0 : err_set(e, ERR_NOMEM, "%s", path);
	sum->rows = 0;
	while (rc == 0 && (n = getline(&line, &size, f)) > 0) {
		hash_add(hash, line, (size_t)n);
		sum->rows++;
		rc = load_line(db, page_of(base, at) + 1, t, line, (size_t)n, e);
		if (rc < 0)
			err_wrap(e, "%s: line %lld", path, (long long)sum->rows);
	}
	if (rc == 0 && ferror(f))
		rc = err_sys(e, "read %s", path);
	if (rc == 0)
		hash_finish(hash, sum->sha256);
	else
		hash_free(hash);
	return rc;
}
