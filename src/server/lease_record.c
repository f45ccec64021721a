/* What a lease call says of what its worker has: results, what it holds, what it gave up; and whether that can be true. */
#include "server/lease.h"
#include "store/jobs.h"
#include "store/records.h"

static bool is_listed(const struct attempt_id *list, size_t n, const struct job *j)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].job == j->id && list[i].attempt == j->attempt)
			return true;
	return false;
}

static const char denied_text[] = "its worker had it and denies it now: it may still run there";

/* A result may have come meanwhile. */
static int finish(struct tx *tx, const struct job_end *end, struct err *e)
{
	enum job_state state;
	bool is_repeat;
	if (jobs_finish(tx, end, "server", &state, &is_repeat, e) && e->code != ERR_STALE)
		return -1;
	err_clear(e);
	return 0;
}

static int release(struct tx *tx, const struct job *j, const char *why, struct err *e)
{
	const struct job_end end = { .job = j->id,
				     .attempt = j->attempt,
				     .outcome = OUTCOME_RELEASED,
				     .exit_code = -1,
				     .detail = why };
	return finish(tx, &end, e);
}

static int end_untrue(const struct lease_call *c, struct tx *tx, int64_t job, int attempt, const char *why,
		      struct err *e)
{
	const struct job_end end = { .job = job,
				     .attempt = attempt,
				     .worker = c->worker.id,
				     .outcome = OUTCOME_LOST,
				     .reason = REASON_LOST,
				     .exit_code = -1,
				     .detail = why,
				     .is_untrue = true };
	return finish(tx, &end, e);
}

/* After a call whose answer may not have arrived: what the worker does not list it never got. */
static int release_unlisted(struct lease_call *c, struct tx *tx, struct err *e)
{
	struct job *held;
	size_t n;
	if (jobs_held(tx, c->worker.id, &c->arena, &held, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct job *j = &held[i];
		if (is_listed(c->holding, c->holding_len, j))
			continue;
		bool is_dropped = is_listed(c->dropped, c->dropped_len, j);
		bool is_denied = !is_dropped && hub_was_named(c->server, j->id, j->attempt);
		if (is_denied ? end_untrue(c, tx, j->id, j->attempt, denied_text, e)
			      : release(tx, j,
					is_dropped ? "its worker could not renew it in time and killed it"
						   : "its worker never got it",
					e))
			return -1;
	}
	return 0;
}

/* Nothing may start there any more, and what does not die there may not start elsewhere. */
static int record_unclean(struct lease_call *c, struct tx *tx, struct err *e)
{
	const char *reason = arena_printf(&c->arena, "not clean: %s", c->unclean);
	if (!reason)
		return err_set(e, ERR_NOMEM, "no memory for a reason");
	if (workers_quarantine(tx, c->worker.id, c->worker.name, reason, e))
		return -1;
	for (size_t i = 0; i < c->stuck_len; i++)
		if (end_untrue(c, tx, c->stuck[i].job, c->stuck[i].attempt, reason, e))
			return -1;
	return 0;
}

/* It asks as if it were more than idle, and holds attempts: what it says of its slots is not true. */
static int record_greedy(struct lease_call *c, struct tx *tx, struct err *e)
{
	struct job *held;
	size_t n;
	const char *why = arena_printf(&c->arena,
				       "its worker asked for %lld jobs with %d slots while it held this one",
				       (long long)c->asked, c->worker.slots);
	if (!why || jobs_held(tx, c->worker.id, &c->arena, &held, &n, e))
		return why ? -1 : err_set(e, ERR_NOMEM, "no memory for a reason");
	for (size_t i = 0; i < n; i++)
		if (end_untrue(c, tx, held[i].id, held[i].attempt, why, e))
			return -1;
	c->is_greedy = n > 0;
	return 0;
}

int lease_record(struct lease_call *c, struct tx *tx, struct err *e)
{
	for (size_t i = 0; i < c->results_len; i++)
		if (lease_settle(tx, c->server, &c->arena, &c->worker, &c->results[i], e))
			return -1;
	if (c->has_holding && release_unlisted(c, tx, e))
		return -1;
	if (c->asked > c->worker.slots + LEASE_AHEAD_MAX && record_greedy(c, tx, e))
		return -1;
	return c->unclean[0] ? record_unclean(c, tx, e) : 0;
}
