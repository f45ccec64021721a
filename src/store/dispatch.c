/* Giving work out, and keeping it. */
#include "base/arena.h"
#include "store/candidates_priv.h"
#include "store/ids_priv.h"
#include "store/job_priv.h"

/* waiting → running under a new attempt. */
static int start(struct tx *tx, int64_t id, const struct worker *w, int64_t session, const char *actor,
		 int64_t lease_until_ms, struct arena *a, struct job *out, struct err *e)
{
	struct job_row r;
	{
		CLEAN_ROWS struct db_rows rows;
		if (tx_query(tx, STMT_JOB_GET_PAYLOAD, DB_ARGS(db_int(id)), &rows, e) < 0)
			return -1;
		int rc = db_next(&rows, e);
		if (rc == 0)
			return err_set(e, ERR_CORRUPT, "waiting job %lld is not there", (long long)id);
		if (rc < 0 || job_row_read(tx, &rows, a, &r, e) < 0)
			return -1;
		r.j.payload = job_payload_read(tx, &rows, id, a, e);
		if (!r.j.payload)
			return -1;
	}
	if (*r.j.progress && tx_exec(tx, STMT_JOB_CLEAR_PROGRESS, DB_ARGS(db_int(id)), NULL, e) < 0)
		return -1;
	r.j.progress = "";
	r.j.attempt++;
	r.worker = w->id;
	r.j.worker = w->name;
	r.j.started_ms = tx->now_ms;
	r.j.lease_until_ms = lease_until_ms;
	r.j.exit_code = -1;
	r.j.signal = 0;
	r.j.artifacts = 0;
	if (job_move(tx, &r, STATE_RUNNING, REASON_NONE, actor, NULL, e) < 0)
		return -1;
	*out = r.j;
	return tx_exec(tx, STMT_ATTEMPT_ADD,
		       DB_ARGS(db_int(id), db_int(r.j.attempt), db_int(w->id), db_int(session),
			       db_int(tx->now_ms)),
		       NULL, e);
}

int jobs_take(struct tx *tx, const int64_t *lanes, size_t lanes_len, int limit, const struct worker *w,
	      int64_t lease_until_ms, struct arena *a, struct job **out, size_t *n, struct err *e)
{
	int64_t *best, session = 0;
	size_t found = 0;
	*out = NULL;
	*n = 0;
	if (limit <= 0 || !lanes_len)
		return 0;
	if (candidates_choose(tx, lanes, lanes_len, (size_t)limit, a, &best, &found, e) < 0)
		return -1;
	if (!found)
		return 0;
	const char *actor = arena_printf(a, "worker:%s", w->name);
	const char *name = arena_strdup(a, w->name);
	*out = arena_array(a, found, sizeof **out);
	if (!*out || !actor || !name)
		return err_set(e, ERR_NOMEM, "take jobs");
	struct worker held = *w;
	held.name = name;
	if (tx_get_int(tx, STMT_WORKER_SESSION, DB_ARGS(db_int(w->id)), &session, e) < 0)
		return -1;
	for (; *n < found; (*n)++)
		if (start(tx, best[*n], &held, session, actor, lease_until_ms, a, &(*out)[*n], e) < 0)
			return -1;
	return 0;
}

int jobs_renew(struct tx *tx, int64_t worker, int64_t lease_until_ms, struct err *e)
{
	return tx_exec(tx, STMT_LEASE_RENEW, DB_ARGS(db_int(worker), db_int(lease_until_ms)), NULL, e);
}

int jobs_renew_all(struct tx *tx, int64_t lease_until_ms, struct err *e)
{
	return tx_exec(tx, STMT_LEASES_RENEW_ALL, DB_ARGS(db_int(lease_until_ms)), NULL, e);
}

int jobs_collecting(struct tx *tx, int64_t id, int attempt, struct err *e)
{
	struct job_row r;
	if (job_row_get(tx, id, &r, e) < 0)
		return -1;
	if (r.j.state != STATE_RUNNING || r.j.attempt != attempt)
		return err_set(e, ERR_STALE, "attempt %d of job %lld does not hold the lease", attempt,
			       (long long)id);
	const char *name = worker_name(tx, r.worker, e);
	if (!name)
		return -1;
	char actor[300];
	snprintf(actor, sizeof actor, "worker:%s", name);
	return job_move(tx, &r, STATE_COLLECTING, REASON_NONE, actor, NULL, e);
}

int jobs_progress(struct tx *tx, int64_t id, int attempt, const char *progress, struct err *e)
{
	int64_t changed = 0;
	if (tx_exec(tx, STMT_JOB_SET_PROGRESS, DB_ARGS(db_int(id), db_int(attempt), db_str_or_null(progress)),
		    &changed, e) < 0)
		return -1;
	return changed ? 0
		       : err_set(e, ERR_STALE, "attempt %d of job %lld does not hold the lease", attempt,
				 (long long)id);
}

int jobs_held(struct tx *tx, int64_t worker, struct arena *a, struct job **out, size_t *n, struct err *e)
{
	CLEAN_IDS struct ids ids = IDS_INIT;
	if (ids_query(tx, STMT_LEASED_OF, DB_ARGS(db_int(worker), db_null()), &ids, e) < 0)
		return -1;
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_LEASED_LIST, DB_ARGS(db_int(worker)), &rows, e) < 0)
		return -1;
	return job_rows_collect(tx, &rows, ids.len, a, out, n, e);
}
