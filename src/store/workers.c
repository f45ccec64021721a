/* Workers, and the lanes they take from. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "store/blame_priv.h"
#include "store/ids_priv.h"
#include "store/records.h"
#include "store/store_priv.h"

int lanes_list(struct tx *tx, struct arena *a, struct lane **out, size_t *n, struct err *e)
{
	CLEAN_IDS struct ids ids = IDS_INIT;
	*n = 0;
	if (ids_query(tx, STMT_LANE_LIST, DB_NO_ARGS, &ids, e) < 0)
		return -1;
	*out = arena_array(a, ids.len + 1, sizeof **out);
	if (!*out)
		return err_set(e, ERR_NOMEM, "lanes");
	for (; *n < ids.len; (*n)++) {
		const struct lane *l = lane_get(tx, ids.at[*n], e);
		if (!l)
			return -1;
		(*out)[*n] = *l;
		(*out)[*n].arch = arena_strdup(a, l->arch);
		(*out)[*n].tags = arena_strdup(a, l->tags);
		(*out)[*n].zone = arena_strdup(a, l->zone);
		if (!(*out)[*n].arch || !(*out)[*n].tags || !(*out)[*n].zone)
			return err_set(e, ERR_NOMEM, "lanes");
	}
	return 0;
}

static struct db_value text(const char *s)
{
	return db_str(s ? s : "");
}

int workers_register(struct tx *tx, const struct worker *w, int64_t *id, struct err *e)
{
	if (!w->name || !*w->name || !w->session || !*w->session)
		return err_set(e, ERR_INVALID, "a worker needs a name and a session");
	if (worker_find(tx, w->name, id, e) < 0)
		return -1;
	if (*id)
		return tx_exec(tx, STMT_WORKER_UPDATE,
			       DB_ARGS(db_int(*id), text(w->machine), text(w->boot_id), text(w->session),
				       text(w->version), text(w->arch), db_int(w->isolations), text(w->tags),
				       db_int(w->slots), db_int(tx->now_ms), db_int(tx->store->server.id)),
			       NULL, e);
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_WORKER_ADD,
		     DB_ARGS(text(w->name), text(w->machine), text(w->boot_id), text(w->session),
			     text(w->version), text(w->arch), db_int(w->isolations), text(w->tags),
			     db_int(w->slots), db_int(tx->now_ms), db_int(tx->store->server.id)),
		     &rows, e) < 0 ||
	    db_next(&rows, e) <= 0)
		return -1;
	*id = db_col_int(&rows, 0);
	return worker_learn(tx, *id, w->name, e);
}

static int read_worker(struct db_rows *rows, struct arena *a, struct worker *w, struct err *e)
{
	*w = (struct worker){
		.id = db_col_int(rows, 0),
		.name = db_col_str(rows, 1, a),
		.machine = db_col_str(rows, 2, a),
		.boot_id = db_col_str(rows, 3, a),
		.session = db_col_str(rows, 4, a),
		.version = db_col_str(rows, 5, a),
		.arch = db_col_str(rows, 6, a),
		.isolations = (unsigned)db_col_int(rows, 7),
		.tags = db_col_str(rows, 8, a),
		.slots = (int)db_col_int(rows, 9),
		.state = (enum worker_state)db_col_int(rows, 10),
		.failures = (int)db_col_int(rows, 11),
		.beat_ms = db_col_int(rows, 12),
		.is_online = db_col_int(rows, 13) != 0,
		.server = db_col_int(rows, 14),
		.quarantine = db_col_str(rows, 15, a),
		.quarantined_ms = db_col_int(rows, 16),
		.running = (int)db_col_int(rows, 17),
		.is_server_alive = db_col_int(rows, 18) != 0,
		.server_name = db_col_str(rows, 19, a),
		.status = db_col_str(rows, 20, a),
		.demands = db_col_str(rows, 21, a),
		.zones = db_col_str(rows, 22, a),
	};
	w->is_disk_low = w->status && worker_status_is_low(w->status);
	return w->demands && w->zones && w->status && w->quarantine && w->name && w->machine && w->boot_id &&
			       w->session && w->version && w->arch && w->tags && w->server_name
		       ? 0
		       : err_set(e, ERR_NOMEM, "worker");
}

int workers_find(struct tx *tx, const char *name, struct arena *a, struct worker *out, bool *is_there,
		 struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	*is_there = false;
	if (tx_query(tx, STMT_WORKER_BY_NAME, DB_ARGS(text(name)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	*is_there = rc > 0;
	return rc > 0 ? read_worker(&rows, a, out, e) : rc;
}

int workers_find_session(struct tx *tx, const char *name, const char *session, struct arena *a,
			 struct worker *out, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_WORKER_BY_NAME, DB_ARGS(text(name)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc == 0)
		return err_set(e, ERR_STALE, "worker %s is not registered", name);
	if (rc < 0 || read_worker(&rows, a, out, e) < 0)
		return -1;
	if (strcmp(out->session, session) != 0)
		return err_set(e, ERR_STALE, "worker %s has registered anew: this session is over", name);
	return 0;
}

int workers_beat(struct tx *tx, int64_t id, struct err *e)
{
	return tx_exec(tx, STMT_WORKER_BEAT,
		       DB_ARGS(db_int(id), db_int(tx->now_ms), db_int(tx->store->server.id)), NULL, e);
}

int workers_set_status(struct tx *tx, int64_t id, const char *status, struct err *e)
{
	return tx_exec(tx, STMT_WORKER_SET_STATUS, DB_ARGS(db_int(id), text(status)), NULL, e);
}

int workers_set_online(struct tx *tx, int64_t id, bool is_online, struct err *e)
{
	return tx_exec(tx, STMT_WORKER_SET_ONLINE, DB_ARGS(db_int(id), db_int(is_online)), NULL, e);
}

int workers_fell_silent(struct tx *tx, const char *name, const char *session, struct err *e)
{
	return tx_exec(tx, STMT_SERVER_SILENT,
		       DB_ARGS(text(name), text(session), db_int(tx->store->server.id)), NULL, e);
}

/* ERR_NOT_FOUND */
static int get_by_name(struct tx *tx, const char *name, struct arena *a, struct worker *out, struct err *e)
{
	bool is_there;
	if (workers_find(tx, name, a, out, &is_there, e) < 0)
		return -1;
	return is_there ? 0 : err_set(e, ERR_NOT_FOUND, "there is no worker %s", name);
}

/* A line about the worker for those who look at what was changed. */
static int note(struct tx *tx, const char *name, const char *actor, const char *detail, struct err *e)
{
	CLEAN_BUF struct buf subject = BUF_INIT;
	buf_addf(&subject, "worker:%s", name);
	return buf_check(&subject, e) < 0 ? -1 : audit_add(tx, actor, subject.data, detail, e);
}

int workers_set_reach(struct tx *tx, int64_t id, const char *zones, const char *demands, struct err *e)
{
	return tx_exec(tx, STMT_WORKER_SET_REACH, DB_ARGS(db_int(id), text(zones), text(demands)), NULL, e);
}

int workers_set_state(struct tx *tx, const char *name, enum worker_state s, const char *actor, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct worker w;
	char detail[64];
	if (!worker_state_name(s))
		return err_set(e, ERR_INVALID, "there is no such worker state");
	if (get_by_name(tx, name, &a, &w, e) < 0 ||
	    tx_exec(tx, STMT_WORKER_SET_STATE, DB_ARGS(db_int(w.id), db_int((int)s)), NULL, e) < 0)
		return -1;
	bool is_released = s == WORKER_ACTIVE && w.quarantine[0];
	if (s == WORKER_ACTIVE && tx_exec(tx, STMT_WORKER_CLEAR, DB_ARGS(db_int(w.id)), NULL, e) < 0)
		return -1;
	snprintf(detail, sizeof detail, "%s, was %s%s", worker_state_name(s), worker_state_name(w.state),
		 is_released ? " in quarantine" : "");
	return note(tx, name, actor, detail, e);
}

int workers_quarantine(struct tx *tx, int64_t id, const char *name, const char *reason, struct err *e)
{
	return worker_take_out(tx, id, name, reason, 0, e);
}

int worker_take_out(struct tx *tx, int64_t id, const char *name, const char *reason, int64_t suspect_of,
		    struct err *e)
{
	int64_t changed = 0;
	CLEAN_BUF struct buf detail = BUF_INIT;
	if (tx_exec(tx, STMT_WORKER_QUARANTINE,
		    DB_ARGS(db_int(id), db_str(reason), db_int(tx->now_ms), db_int(suspect_of)), &changed,
		    e) < 0)
		return -1;
	if (!changed)
		return 0;
	buf_addf(&detail, "quarantine: %s", reason);
	return buf_check(&detail, e) < 0 ? -1 : note(tx, name, "server", detail.data, e);
}

int worker_let_in(struct tx *tx, int64_t id, const char *name, const char *why, struct err *e)
{
	if (!why)
		return tx_exec(tx, STMT_WORKER_WORKED, DB_ARGS(db_int(id)), NULL, e);
	if (tx_exec(tx, STMT_WORKER_CLEAR, DB_ARGS(db_int(id)), NULL, e) < 0)
		return -1;
	return note(tx, name, "server", why, e);
}

int workers_list(struct tx *tx, struct arena *a, struct worker **out, size_t *n, struct err *e)
{
	int64_t count = 0;
	*n = 0;
	if (tx_get_int(tx, STMT_WORKER_COUNT, DB_NO_ARGS, &count, e) < 0)
		return -1;
	*out = arena_array(a, (size_t)count + 1, sizeof **out);
	if (!*out)
		return err_set(e, ERR_NOMEM, "workers");
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_WORKER_LIST, DB_NO_ARGS, &rows, e) < 0)
		return -1;
	int rc = 0;
	while (*n < (size_t)count && (rc = db_next(&rows, e)) > 0)
		if (read_worker(&rows, a, &(*out)[(*n)++], e) < 0)
			return -1;
	return rc < 0 ? -1 : 0;
}
