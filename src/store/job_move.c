#include "store/limit_keys_priv.h"
#include "store/owners_priv.h"
#include "store/records.h"

static int add_event(struct tx *tx, int64_t job, int n, enum job_state from, enum job_state to,
		     enum job_reason reason, const char *actor, const char *detail, struct err *e)
{
	int64_t who;
	if (string_id(tx, actor && *actor ? actor : "server", &who, e) < 0)
		return -1;
	return tx_exec(tx, STMT_EVENT_ADD,
		       DB_ARGS(db_int(job), db_int(n), db_int(tx->now_ms), db_int(who), db_int((int)from),
			       db_int((int)to), db_int((int)reason), db_str_or_null(detail)),
		       NULL, e);
}

static int tell(struct tx *tx, const struct job_row *r, enum job_state from, struct err *e)
{
	return tx_add_change(tx,
			     &(struct store_change){ .job = r->j.id,
						     .from = from,
						     .to = r->j.state,
						     .lane = r->j.lane,
						     .worker = r->worker,
						     .is_cancel_asked = r->j.is_cancel_asked },
			     e);
}

/* In words, where it is that. */
static int stale(const struct job_row *r, struct err *e)
{
	if (e && e->code != ERR_STALE)
		return -1;
	return err_set(e, ERR_STALE, "job %lld has changed meanwhile", (long long)r->j.id);
}

/* An image whose making ended without one, however it ended: lost, cancelled, or failed. */
static int give_up_target(struct tx *tx, const struct job *j, struct err *e)
{
	if (j->kind != KIND_TARGET || (j->state != STATE_FAILED && j->state != STATE_CANCELLED))
		return 0;
	return targets_made(tx, "", j->id, NULL, 0, e);
}

int job_move(struct tx *tx, struct job_row *r, enum job_state to, enum job_reason reason, const char *actor,
	     const char *detail, struct err *e)
{
	struct job *j = &r->j;
	enum job_state from = j->state;
	if (!state_may_go(from, to))
		return err_set(e, ERR_CONFLICT, "job %lld is %s and cannot become %s", (long long)j->id,
			       state_name(from), state_name(to));
	j->finished_ms = state_is_final(to) ? tx->now_ms : 0;
	if (!state_is_leased(to))
		j->lease_until_ms = 0;
	if (tx_exec_must(tx, STMT_JOB_MOVE,
			 DB_ARGS(db_int(j->id), db_int((int)to), db_int((int)reason), db_ref(r->worker),
				 db_int(j->attempt), db_int(j->failures), db_int(j->losses),
				 db_int(j->run_at_ms), db_int(j->started_ms), db_int(j->finished_ms),
				 db_int(j->lease_until_ms), db_int(j->is_cancel_asked), db_int(r->events + 1),
				 db_int(j->exit_code), db_int(j->signal), db_int(j->artifacts),
				 db_int((int)from), db_int(r->seen_attempt), db_int(r->events)),
			 e) < 0)
		return stale(r, e);
	r->events++;
	r->seen_attempt = j->attempt;
	j->state = to;
	j->reason = reason;
	tx->tally[j->kind][from]--;
	tx->tally[j->kind][to]++;
	if (add_event(tx, j->id, r->events, from, to, reason, actor, detail, e) < 0 ||
	    give_up_target(tx, j, e) < 0 || key_moved(tx, r, from, e) < 0)
		return -1;
	if (state_is_leased(from) && !state_is_leased(to) && owner_left(tx, r->owner, e) < 0)
		return -1;
	return tell(tx, r, from, e);
}

int job_note(struct tx *tx, struct job_row *r, enum job_reason reason, const char *actor, const char *detail,
	     struct err *e)
{
	if (tx_exec_must(tx, STMT_JOB_NOTE,
			 DB_ARGS(db_int(r->j.id), db_int(r->j.is_cancel_asked), db_int(r->events + 1),
				 db_int((int)r->j.state), db_int(r->events)),
			 e) < 0)
		return stale(r, e);
	r->events++;
	if (add_event(tx, r->j.id, r->events, r->j.state, r->j.state, reason, actor, detail, e) < 0)
		return -1;
	return tell(tx, r, r->j.state, e);
}

int job_born(struct tx *tx, const struct job_row *r, const char *actor, struct err *e)
{
	tx->tally[r->j.kind][r->j.state]++;
	if (add_event(tx, r->j.id, 1, (enum job_state)0, r->j.state, REASON_NONE, actor, NULL, e) < 0 ||
	    key_moved(tx, r, (enum job_state)0, e) < 0)
		return -1;
	return tell(tx, r, (enum job_state)0, e);
}

enum job_state job_state_free(const struct tx *tx, const struct job *j)
{
	if (j->needs_left > 0)
		return STATE_BLOCKED;
	return j->run_at_ms > tx->now_ms ? STATE_SCHEDULED : STATE_WAITING;
}
