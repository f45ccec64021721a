#include <string.h>

#include "base/arena.h"
#include "store/job_priv.h"
#include "store/limit_keys_priv.h"

/* The columns of HEAD_COLUMNS and JOB_COLUMNS, statements.c. */
enum {
	COL_ID,
	COL_KIND,
	COL_STATE,
	COL_REASON,
	COL_LANE,
	COL_WORKER,
	COL_ATTEMPT,
	COL_MAX_ATTEMPTS,
	COL_FAILURES,
	COL_LOSSES,
	COL_RETRY_DELAY,
	COL_RUN_AT,
	COL_STARTED,
	COL_FINISHED,
	COL_LEASE_UNTIL,
	COL_IS_CANCEL_ASKED,
	COL_NEEDS_LEFT,
	COL_IS_NEEDED,
	COL_EVENTS,
	COL_EXIT_CODE,
	COL_SIGNAL,
	COL_ARTIFACTS,
	COL_LIMIT_KEY,
	COL_PRIORITY,
	COL_OWNER,
	HEAD_TARGET, /* job_head has these two behind the columns of a head */
	HEAD_NAME,
	COL_TARGET = HEAD_TARGET,
	COL_CHAIN,
	COL_CREATED,
	COL_TIMEOUT,
	COL_SILENCE,
	COL_NAME,
	COL_DEDUPE,
	COL_PROGRESS,
	COL_PAYLOAD,
};

static void read_head(struct db_rows *rows, struct job_row *r)
{
	*r = (struct job_row){ .worker = db_col_int(rows, COL_WORKER) };
	r->j.id = db_col_int(rows, COL_ID);
	r->j.kind = (enum job_kind)db_col_int(rows, COL_KIND);
	r->j.state = (enum job_state)db_col_int(rows, COL_STATE);
	r->j.reason = (enum job_reason)db_col_int(rows, COL_REASON);
	r->j.lane = db_col_int(rows, COL_LANE);
	r->j.attempt = r->seen_attempt = (int)db_col_int(rows, COL_ATTEMPT);
	r->j.max_attempts = (int)db_col_int(rows, COL_MAX_ATTEMPTS);
	r->j.failures = (int)db_col_int(rows, COL_FAILURES);
	r->j.losses = (int)db_col_int(rows, COL_LOSSES);
	r->j.retry_delay_ms = db_col_int(rows, COL_RETRY_DELAY);
	r->j.run_at_ms = db_col_int(rows, COL_RUN_AT);
	r->j.started_ms = db_col_int(rows, COL_STARTED);
	r->j.finished_ms = db_col_int(rows, COL_FINISHED);
	r->j.lease_until_ms = db_col_int(rows, COL_LEASE_UNTIL);
	r->j.is_cancel_asked = db_col_int(rows, COL_IS_CANCEL_ASKED) != 0;
	r->j.needs_left = (int)db_col_int(rows, COL_NEEDS_LEFT);
	r->is_needed = db_col_int(rows, COL_IS_NEEDED) != 0;
	r->events = (int)db_col_int(rows, COL_EVENTS);
	r->j.exit_code = (int)db_col_int(rows, COL_EXIT_CODE);
	r->j.signal = (int)db_col_int(rows, COL_SIGNAL);
	r->j.artifacts = (int)db_col_int(rows, COL_ARTIFACTS);
	r->limit_key = db_col_int(rows, COL_LIMIT_KEY);
	r->j.priority = (int)db_col_int(rows, COL_PRIORITY);
	r->owner = db_col_int(rows, COL_OWNER);
}

int job_row_get(struct tx *tx, int64_t id, struct job_row *out, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_JOB_HEAD, DB_ARGS(db_int(id)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc > 0) {
		read_head(&rows, out);
		out->target = db_col_int(&rows, HEAD_TARGET);
		snprintf(out->name, sizeof out->name, "%s", db_col_text(&rows, HEAD_NAME));
	}
	if (rc == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no job %lld", (long long)id);
	return rc < 0 ? -1 : 0;
}

/* An interned string, copied: what a cache lends ends with the task, the arena may not. */
static const char *copy_text(struct arena *a, const char *text, struct err *e)
{
	const char *copy = !text ? NULL : *text ? arena_strdup(a, text) : "";
	if (text && !copy)
		err_set(e, ERR_NOMEM, "job");
	return copy;
}

int job_row_read(struct tx *tx, struct db_rows *rows, struct arena *a, struct job_row *out, struct err *e)
{
	read_head(rows, out);
	struct job *j = &out->j;
	j->chain = db_col_int(rows, COL_CHAIN);
	j->created_ms = db_col_int(rows, COL_CREATED);
	j->timeout_ms = db_col_int(rows, COL_TIMEOUT);
	j->silence_ms = db_col_int(rows, COL_SILENCE);
	j->name = db_col_str(rows, COL_NAME, a);
	j->dedupe = db_col_is_null(rows, COL_DEDUPE) ? "" : db_col_str(rows, COL_DEDUPE, a);
	j->progress = db_col_is_null(rows, COL_PROGRESS) ? "" : db_col_str(rows, COL_PROGRESS, a);
	if (!j->name || !j->dedupe || !j->progress)
		return err_set(e, ERR_NOMEM, "job");
	const struct lane *lane = lane_get(tx, j->lane, e);
	if (!lane)
		return -1;
	j->isolation = lane->isolation;
	j->arch = copy_text(a, lane->arch, e);
	j->tags = copy_text(a, lane->tags, e);
	j->zone = copy_text(a, lane->zone, e);
	j->owner = copy_text(a, string_text(tx, out->owner, e), e);
	j->target = copy_text(a, string_text(tx, db_col_int(rows, COL_TARGET), e), e);
	j->worker = copy_text(a, worker_name(tx, out->worker, e), e);
	if (!j->arch || !j->tags || !j->zone || !j->owner || !j->target || !j->worker)
		return -1;
	return out->limit_key ? limit_key_get(tx, out->limit_key, a, &j->limit_key, e) : 0;
}

const char *job_payload_read(struct tx *tx, struct db_rows *rows, int64_t id, struct arena *a, struct err *e)
{
	const char *payload;
	if (!db_col_is_null(rows, COL_PAYLOAD)) {
		payload = db_col_str(rows, COL_PAYLOAD, a);
	} else {
		CLEAN_ROWS struct db_rows beside;
		if (tx_query(tx, STMT_PAYLOAD_GET, DB_ARGS(db_int(id)), &beside, e) < 0)
			return NULL;
		int rc = db_next(&beside, e);
		if (rc == 0)
			err_set(e, ERR_CORRUPT, "job %lld has no payload", (long long)id);
		if (rc <= 0)
			return NULL;
		payload = db_col_str(&beside, 0, a);
	}
	if (!payload)
		err_set(e, ERR_NOMEM, "payload of job %lld", (long long)id);
	return payload;
}

int job_rows_collect(struct tx *tx, struct db_rows *rows, size_t limit, struct arena *a, struct job **out,
		     size_t *n, struct err *e)
{
	*n = 0;
	*out = arena_array(a, limit, sizeof **out);
	if (!*out)
		return err_set(e, ERR_NOMEM, "list of jobs");
	int rc = 0;
	while (*n < limit && (rc = db_next(rows, e)) > 0) {
		struct job_row r;
		if (job_row_read(tx, rows, a, &r, e) < 0)
			return -1;
		(*out)[(*n)++] = r.j;
	}
	return rc < 0 ? -1 : 0;
}

int jobs_get(struct tx *tx, int64_t id, bool with_payload, struct arena *a, struct job *out, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, with_payload ? STMT_JOB_GET_PAYLOAD : STMT_JOB_GET, DB_ARGS(db_int(id)), &rows, e) <
	    0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no job %lld", (long long)id);
	struct job_row r;
	if (rc < 0 || job_row_read(tx, &rows, a, &r, e) < 0)
		return -1;
	if (with_payload && !(r.j.payload = job_payload_read(tx, &rows, id, a, e)))
		return -1;
	*out = r.j;
	return 0;
}
