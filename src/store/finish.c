/* How attempts end. */

#include "model/blame.h"
#include "store/blobs.h"
#include "store/durations_priv.h"
#include "store/ids_priv.h"
#include "store/job_priv.h"
#include "store/logs.h"
#include "store/servers.h"

static int add_artifacts(struct tx *tx, const struct job_end *end, struct err *e)
{
	for (size_t i = 0; i < end->artifacts_len; i++) {
		const struct artifact *f = &end->artifacts[i];
		int64_t size = 0;
		/* No row may name a blob that is not there whole. */
		if (!blob_exists(tx->store, f->sha256, &size) || size != f->size_bytes)
			return err_set(e, ERR_INVALID, "artifact %s: its content was not uploaded", f->name);
		if (tx_exec(tx, STMT_ARTIFACT_ADD,
			    DB_ARGS(db_int(end->job), db_int(end->attempt), db_str(f->name),
				    db_str(f->sha256), db_int(f->size_bytes)),
			    NULL, e) < 0)
			return err_wrap(e, "artifact %s", f->name);
	}
	return 0;
}

static int end_attempt_row(struct tx *tx, const struct job_end *end, struct err *e)
{
	bool is_inline = end->log && end->log_len;
	/* An inline log is the whole log. */
	int64_t log_bytes = is_inline ? (int64_t)end->log_len : end->log_bytes;
	if (tx_exec_must(tx, STMT_ATTEMPT_END,
			 DB_ARGS(db_int(end->job), db_int(end->attempt), db_int(tx->now_ms),
				 db_int((int)end->outcome), db_int((int)end->reason), db_int(end->exit_code),
				 db_int(end->signal), db_int(end->usage.wall_ms),
				 db_int(end->usage.cpu_user_us), db_int(end->usage.cpu_sys_us),
				 db_int(end->usage.memory_peak_bytes), db_int(log_bytes),
				 db_int(end->is_log_truncated), db_int(is_inline), db_str_or_null(end->step),
				 db_str_or_null(end->detail)),
			 e) < 0)
		return e && e->code != ERR_STALE
			       ? -1
			       : err_set(e, ERR_CORRUPT, "attempt %d of job %lld is not open", end->attempt,
					 (long long)end->job);
	if (is_inline &&
	    tx_exec(tx, STMT_ATTEMPT_LOG_ADD,
		    DB_ARGS(db_int(end->job), db_int(end->attempt), db_blob(end->log, end->log_len)), NULL,
		    e) < 0)
		return -1;
	return add_artifacts(tx, end, e);
}

/* What an end says about runs of its sort and the machine it ran on; of one that was lost, whose fault it was. */
static int judge(struct tx *tx, const struct job_row *r, const struct job_end *end, struct verdict *v,
		 struct blame *b, struct err *e)
{
	if (end->outcome == OUTCOME_SUCCEEDED)
		return durations_note(tx, r, end, e) < 0
			       ? -1
			       : tx_exec(tx, STMT_WORKER_WORKED, DB_ARGS(db_int(r->worker)), NULL, e);
	if (end->outcome != OUTCOME_LOST)
		return 0;
	if (blame_loss(tx, r, end, b, e) < 0)
		return -1;
	v->losses = b->job;
	/* Not one that somebody has asked to cancel. */
	if (b->is_job_out && v->state == STATE_WAITING)
		v->state = STATE_FAILED;
	return 0;
}

/* One that goes back and forth for ever is not to: after so many in a row that were given back this counts. */
static int count_given_back(struct tx *tx, const struct job_row *r, struct job_end *end, struct err *e)
{
	int64_t n = 0;
	if (end->outcome != OUTCOME_RELEASED || r->j.attempt <= BLAME_GIVEN_BACK_MAX)
		return 0;
	if (tx_get_int(tx, STMT_ATTEMPTS_GIVEN_BACK,
		       DB_ARGS(db_int(r->j.id), db_int(r->j.attempt - BLAME_GIVEN_BACK_MAX),
			       db_int(r->j.attempt)),
		       &n, e) < 0)
		return -1;
	if (n == BLAME_GIVEN_BACK_MAX) {
		end->outcome = OUTCOME_LOST;
		end->reason = REASON_LOST;
		end->detail = "it was given back too often in a row without having run";
	}
	return 0;
}

int job_end_attempt(struct tx *tx, struct job_row *r, const struct job_end *said, const char *actor,
		    struct err *e)
{
	struct job_end counted = *said;
	const struct job_end *end = &counted;
	if (count_given_back(tx, r, &counted, e) < 0)
		return -1;
	struct verdict v = retry_decide(&r->j, end->outcome, end->reason, tx->now_ms);
	struct blame b = { .is_job_out = false };
	if (judge(tx, r, end, &v, &b, e) < 0)
		return -1;
	r->j.failures = v.failures;
	r->j.losses = v.losses;
	if (v.state == STATE_SCHEDULED)
		r->j.run_at_ms = v.run_at_ms;
	r->j.exit_code = end->exit_code;
	r->j.signal = end->signal;
	r->j.artifacts = (int)end->artifacts_len;
	if (end_attempt_row(tx, end, e) < 0 || job_move(tx, r, v.state, v.reason, actor, end->detail, e) < 0)
		return -1;
	/* Only an earlier attempt can have left one. */
	if ((end->result || end->attempt > 1) &&
	    tx_exec(tx, STMT_JOB_SET_RESULT, DB_ARGS(db_int(r->j.id), db_str_or_null(end->result)), NULL, e) <
		    0)
		return -1;
	if (b.is_clearing && blame_clear(tx, r->j.id, e) < 0)
		return -1;
	return state_is_final(v.state) ? needs_follow(tx, r, actor, e) : 0;
}

/* Was exactly this end recorded before? */
static int find_repeat(struct tx *tx, const struct job_end *end, bool *is_repeat, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_ATTEMPT_OUTCOME, DB_ARGS(db_int(end->job), db_int(end->attempt)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	*is_repeat = rc > 0 && db_col_int(&rows, 0) == (int)end->outcome;
	return rc < 0 ? -1 : 0;
}

int jobs_finish(struct tx *tx, const struct job_end *end, const char *actor, enum job_state *state,
		bool *is_repeat, struct err *e)
{
	struct job_row r;
	*is_repeat = false;
	if (job_row_get(tx, end->job, &r, e) < 0)
		return -1;
	*state = r.j.state;
	bool is_anothers = end->worker && r.worker != end->worker && r.j.attempt == end->attempt;
	if (!state_is_leased(r.j.state) || r.j.attempt != end->attempt || is_anothers) {
		if (!is_anothers && find_repeat(tx, end, is_repeat, e) < 0)
			return -1;
		return err_set(e, ERR_STALE, "attempt %d of job %lld does not hold the lease", end->attempt,
			       (long long)end->job);
	}
	if (end->outcome == OUTCOME_RUNNING)
		return err_set(e, ERR_INVALID, "job %lld: running is no end", (long long)end->job);
	if (job_end_attempt(tx, &r, end, actor, e) < 0)
		return -1;
	*state = r.j.state;
	return 0;
}

/* An end that nobody reported. */
struct unreported {
	enum attempt_outcome outcome;
	const char *detail;
	const struct attempt_view *view;
};

/* What was not heard of is the worker's server, and of the worker nothing is known. */
static int is_anothers_outage(struct tx *tx, int64_t worker, bool *is_so, struct err *e)
{
	int64_t is_gone = 0;
	*is_so = false;
	if (!store_is_shared(tx->store))
		return 0;
	if (tx_get_int(tx, STMT_WORKER_SERVER_GONE,
		       DB_ARGS(db_int(worker), db_int(store_server_id(tx->store))), &is_gone, e) < 0)
		return -1;
	*is_so = is_gone != 0;
	return 0;
}

static int end_unreported(struct tx *tx, int64_t id, const struct unreported *u, struct err *e)
{
	struct job_row r;
	bool is_outage = false;
	if (job_row_get(tx, id, &r, e) < 0)
		return -1;
	/* Its end was reported to another server since the list was made. */
	if (!state_is_leased(r.j.state))
		return 0;
	bool is_lost = u->outcome == OUTCOME_LOST;
	if (is_lost && is_anothers_outage(tx, r.worker, &is_outage, e) < 0)
		return -1;
	bool was_queued = is_lost && u->view && u->view->is_queued(u->view->ctx, id, r.j.attempt);
	is_lost = is_lost && !is_outage && !was_queued;
	struct job_end end = { .job = id,
			       .attempt = r.j.attempt,
			       .outcome = is_lost ? OUTCOME_LOST : OUTCOME_RELEASED,
			       .reason = is_lost ? REASON_LOST : REASON_NONE,
			       .detail = is_outage    ? "its worker's server was not heard of"
					 : was_queued ? "its worker had not begun it when it was lost"
						      : u->detail,
			       .exit_code = -1,
			       .is_death = is_lost };
	/* What it wrote until then is its log. */
	end.log_bytes = log_size(tx->store, id, r.j.attempt);
	return job_end_attempt(tx, &r, &end, "server", e);
}

static int end_all(struct tx *tx, const struct ids *ids, const struct unreported *u, struct err *e)
{
	for (size_t i = 0; i < ids->len; i++)
		if (end_unreported(tx, ids->at[i], u, e) < 0)
			return -1;
	return 0;
}

int jobs_expire(struct tx *tx, int limit, int64_t grace_ms, const struct attempt_view *v, int64_t *next_ms,
		struct err *e)
{
	CLEAN_IDS struct ids ids = IDS_INIT;
	const struct unreported u = { OUTCOME_LOST, "its worker was not heard of", v };
	*next_ms = 0;
	if (ids_query(tx, STMT_LEASE_ENDED, DB_ARGS(db_int(tx->now_ms - grace_ms), db_int(limit)), &ids, e) <
		    0 ||
	    end_all(tx, &ids, &u, e) < 0 || tx_get_int(tx, STMT_LEASE_NEXT, DB_NO_ARGS, next_ms, e) < 0)
		return -1;
	if (*next_ms)
		*next_ms += grace_ms + 1;
	return 0;
}

int jobs_reclaim(struct tx *tx, int64_t worker, const char *session, enum attempt_outcome outcome,
		 const char *detail, const struct attempt_view *v, int *n, struct err *e)
{
	CLEAN_IDS struct ids ids = IDS_INIT;
	const struct unreported u = { outcome, detail, v };
	*n = 0;
	if (outcome != OUTCOME_LOST && outcome != OUTCOME_RELEASED)
		return err_set(e, ERR_INVALID, "reclaimed attempts are lost or released");
	if (ids_query(tx, STMT_LEASED_OF, DB_ARGS(db_int(worker), db_str(session)), &ids, e) < 0 ||
	    end_all(tx, &ids, &u, e) < 0)
		return -1;
	*n = (int)ids.len;
	return 0;
}
