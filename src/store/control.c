/* What people ask of a job, and the duties of time. */
#include <stdio.h>

#include "base/arena.h"
#include "store/ids_priv.h"
#include "store/limit_keys_priv.h"

static int refuse(const struct job_row *r, const char *what, struct err *e)
{
	return err_set(e, ERR_CONFLICT, "job %lld is %s: %s", (long long)r->j.id, state_name(r->j.state),
		       what);
}

int jobs_cancel(struct tx *tx, int64_t id, const char *actor, struct err *e)
{
	struct job_row r;
	if (job_row_get(tx, id, &r, e) < 0)
		return -1;
	if (state_is_final(r.j.state))
		return refuse(&r, "it has ended and cannot be cancelled", e);
	if (state_is_leased(r.j.state)) {
		if (r.j.is_cancel_asked)
			return 0;
		r.j.is_cancel_asked = true;
		return job_note(tx, &r, REASON_POLICY, actor, "cancel asked", e);
	}
	r.j.is_cancel_asked = true;
	if (job_move(tx, &r, STATE_CANCELLED, REASON_POLICY, actor, NULL, e) < 0)
		return -1;
	return needs_follow(tx, &r, actor, e);
}

int jobs_suspend(struct tx *tx, int64_t id, const char *actor, struct err *e)
{
	struct job_row r;
	if (job_row_get(tx, id, &r, e) < 0)
		return -1;
	if (state_is_leased(r.j.state))
		return refuse(&r, "a running job cannot be suspended, but it can be cancelled", e);
	if (!state_may_go(r.j.state, STATE_SUSPENDED))
		return refuse(&r, "it cannot be suspended", e);
	return job_move(tx, &r, STATE_SUSPENDED, REASON_POLICY, actor, NULL, e);
}

int jobs_resume(struct tx *tx, int64_t id, const char *actor, struct err *e)
{
	struct job_row r;
	if (job_row_get(tx, id, &r, e) < 0)
		return -1;
	if (r.j.state != STATE_SUSPENDED)
		return refuse(&r, "it is not suspended", e);
	return job_move(tx, &r, job_state_free(tx, &r.j), REASON_NONE, actor, NULL, e);
}

int jobs_retry(struct tx *tx, int64_t id, const char *actor, struct err *e)
{
	struct job_row r;
	int64_t other = 0;
	if (job_row_get(tx, id, &r, e) < 0)
		return -1;
	if (r.j.state == STATE_SUCCEEDED)
		return refuse(&r, "a job that succeeded is never run again; rerun makes a new one", e);
	if (r.j.state != STATE_FAILED && r.j.state != STATE_CANCELLED && r.j.state != STATE_DEPWAIT)
		return refuse(&r, "only a job that has ended can be tried again", e);
	if (tx_get_int(tx, STMT_NEED_FAILED, DB_ARGS(db_int(id)), &other, e) < 0)
		return -1;
	if (other)
		return err_set(e, ERR_CONFLICT,
			       "job %lld needs job %lld, which did not succeed: retry that one",
			       (long long)id, (long long)other);
	if (r.j.state != STATE_DEPWAIT &&
	    tx_get_int(tx, STMT_JOB_DEDUPE_TAKEN, DB_ARGS(db_int(id)), &other, e) < 0)
		return -1;
	if (other)
		return err_set(e, ERR_CONFLICT, "job %lld has the dedupe key of job %lld and has not ended",
			       (long long)other, (long long)id);
	bool has_ended = state_is_final(r.j.state);
	r.j.failures = r.j.losses = 0;
	r.j.is_cancel_asked = false;
	r.j.run_at_ms = 0;
	if (job_move(tx, &r, job_state_free(tx, &r.j), REASON_NONE, actor, "retry", e) < 0)
		return -1;
	return has_ended && r.is_needed ? needs_revive(tx, id, actor, e) : 0;
}

/* The details of a build or a recipe, into a body for a new job. */
static int copy_details(struct tx *tx, int64_t id, struct arena *a, struct job_new *n, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_JOB_RERUN_SOURCE, DB_ARGS(db_int(id)), &rows, e) < 0 || db_next(&rows, e) < 0)
		return -1;
	if (!db_col_is_null(&rows, 0)) {
		n->build.type = db_col_str(&rows, 0, a);
		n->build.source = db_col_str(&rows, 1, a);
		n->build.version = "";
	}
	if (!db_col_is_null(&rows, 2))
		n->recipe_text = db_col_str(&rows, 2, a);
	return 0;
}

int jobs_rerun(struct tx *tx, int64_t id, const char *actor, int64_t *new_id, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct job j;
	struct job_birth birth;
	if (jobs_get(tx, id, true, &a, &j, e) < 0)
		return -1;
	struct job_new n = { .kind = j.kind,
			     .name = j.name,
			     .owner = j.owner,
			     .priority = j.priority,
			     .timeout_ms = j.timeout_ms,
			     .silence_ms = j.silence_ms,
			     .max_attempts = j.max_attempts,
			     .retry_delay_ms = j.retry_delay_ms,
			     .isolation = j.isolation,
			     .arch = j.arch,
			     .tags = j.tags,
			     .target = j.target,
			     .dedupe = j.dedupe,
			     .limit_key = j.limit_key,
			     .payload = j.payload };
	if (copy_details(tx, id, &a, &n, e) < 0 || jobs_submit(tx, &n, 1, actor, &birth, e) < 0)
		return -1;
	if (!birth.is_new)
		return err_set(e, ERR_CONFLICT, "job %lld has the same dedupe key and has not ended",
			       (long long)birth.id);
	*new_id = birth.id;
	return 0;
}

int jobs_set_priority(struct tx *tx, int64_t id, int priority, const char *actor, struct err *e)
{
	struct job_row r;
	char detail[64];
	if (job_row_get(tx, id, &r, e) < 0)
		return -1;
	if (priority < JOB_PRIORITY_MIN || priority > JOB_PRIORITY_MAX)
		return err_set(e, ERR_INVALID, "priority must be from %d to %d", JOB_PRIORITY_MIN,
			       JOB_PRIORITY_MAX);
	if (state_is_final(r.j.state))
		return refuse(&r, "it has ended", e);
	snprintf(detail, sizeof detail, "priority %d", priority);
	if (tx_exec(tx, STMT_JOB_SET_PRIORITY, DB_ARGS(db_int(id), db_int(priority)), NULL, e) < 0)
		return -1;
	return job_note(tx, &r, REASON_POLICY, actor, detail, e) < 0 ? -1 : key_settle(tx, &r, e);
}

int jobs_wake_due(struct tx *tx, int limit, int64_t *next_ms, struct err *e)
{
	CLEAN_IDS struct ids ids = IDS_INIT;
	*next_ms = 0;
	if (ids_query(tx, STMT_SCHEDULED_DUE, DB_ARGS(db_int(tx->now_ms), db_int(limit)), &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.len; i++) {
		struct job_row r;
		if (job_row_get(tx, ids.at[i], &r, e) < 0 ||
		    job_move(tx, &r, STATE_WAITING, REASON_NONE, "server", NULL, e) < 0)
			return -1;
	}
	return tx_get_int(tx, STMT_SCHEDULED_NEXT, DB_NO_ARGS, next_ms, e);
}

int jobs_wake_depwait(struct tx *tx, const char *target, const char *actor, struct err *e)
{
	CLEAN_IDS struct ids ids = IDS_INIT;
	int64_t name;
	if (string_find(tx, target, &name, e) < 0)
		return -1;
	if (!name)
		return 0;
	if (ids_query(tx, STMT_DEPWAIT_OF, DB_ARGS(db_int(name)), &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.len; i++) {
		struct job_row r;
		if (job_row_get(tx, ids.at[i], &r, e) < 0)
			return -1;
		/* Not as it was in the list: another server has moved it. */
		if (r.j.state != STATE_DEPWAIT)
			continue;
		if (job_move(tx, &r, STATE_WAITING, REASON_NONE, actor, "its target has changed", e) < 0)
			return -1;
	}
	return 0;
}
