#include "base/arena.h"
#include "store/records.h"
#include "store/tx_priv.h"

static int read_attempt(struct tx *tx, struct db_rows *rows, struct arena *a, struct attempt *t,
			struct err *e)
{
	const char *worker = worker_name(tx, db_col_int(rows, 2), e);
	if (!worker)
		return -1;
	*t = (struct attempt){
		.job = db_col_int(rows, 0),
		.n = (int)db_col_int(rows, 1),
		.worker = arena_strdup(a, worker),
		.started_ms = db_col_int(rows, 3),
		.finished_ms = db_col_int(rows, 4),
		.outcome = (enum attempt_outcome)db_col_int(rows, 5),
		.reason = (enum job_reason)db_col_int(rows, 6),
		.step = db_col_str(rows, 7, a),
		.detail = db_col_str(rows, 8, a),
		.exit_code = (int)db_col_int(rows, 9),
		.signal = (int)db_col_int(rows, 10),
		.usage = { db_col_int(rows, 11), db_col_int(rows, 12), db_col_int(rows, 13),
			   db_col_int(rows, 14) },
		.log_bytes = db_col_int(rows, 15),
		.is_log_truncated = db_col_int(rows, 16) != 0,
	};
	return t->worker && t->step && t->detail ? 0 : err_set(e, ERR_NOMEM, "attempt");
}

int attempts_list(struct tx *tx, int64_t job, struct arena *a, struct attempt **out, size_t *n, struct err *e)
{
	int64_t count = 0;
	*out = NULL;
	*n = 0;
	if (tx_get_int(tx, STMT_ATTEMPT_COUNT, DB_ARGS(db_int(job)), &count, e) < 0)
		return -1;
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_ATTEMPT_LIST, DB_ARGS(db_int(job)), &rows, e) < 0)
		return -1;
	*out = arena_array(a, (size_t)count + 1, sizeof **out);
	if (!*out)
		return err_set(e, ERR_NOMEM, "attempts");
	int rc = 0;
	while (*n < (size_t)count && (rc = db_next(&rows, e)) > 0)
		if (read_attempt(tx, &rows, a, &(*out)[(*n)++], e) < 0)
			return -1;
	return rc < 0 ? -1 : 0;
}

int attempts_get(struct tx *tx, int64_t job, int n, struct arena *a, struct attempt *out, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_ATTEMPT_GET, DB_ARGS(db_int(job), db_int(n)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc == 0 && n)
		return err_set(e, ERR_NOT_FOUND, "job %lld has no attempt %d", (long long)job, n);
	if (rc == 0)
		return err_set(e, ERR_NOT_FOUND, "job %lld has no attempt yet", (long long)job);
	return rc < 0 ? -1 : read_attempt(tx, &rows, a, out, e);
}

int attempts_check_lease(struct tx *tx, int64_t job, int attempt, int64_t worker, struct err *e)
{
	int64_t holds = 0;
	if (tx_get_int(tx, STMT_ATTEMPT_SESSION, DB_ARGS(db_int(job), db_int(attempt), db_int(worker)),
		       &holds, e) < 0)
		return -1;
	return holds ? 0
		     : err_set(e, ERR_STALE, "attempt %d of job %lld does not hold the lease", attempt,
			       (long long)job);
}

int attempts_log_inline(struct tx *tx, int64_t job, int attempt, struct arena *a, const void **bytes,
			size_t *len, struct err *e)
{
	*bytes = NULL;
	*len = 0;
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_ATTEMPT_LOG_GET, DB_ARGS(db_int(job), db_int(attempt)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc == 0)
		return err_set(e, ERR_NOT_FOUND, "job %lld has no attempt %d", (long long)job, attempt);
	if (rc < 0 || !db_col_int(&rows, 0))
		return rc < 0 ? -1 : 0;
	const void *p = db_col_blob(&rows, 1, len);
	*bytes = arena_memdup(a, p, *len);
	return *bytes ? 0 : err_set(e, ERR_NOMEM, "log");
}
