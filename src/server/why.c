/* Why a job is in its state: one sentence, the causes behind it from the nearest to the farthest, and the smallest
 * change that would move it on. All facts come from one read task, so they fit each other. */
#include "server/why_priv.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "server/estimates.h"
#include "server/render.h"
#include "server/routes_priv.h"

enum {
	WHY_DEPTH_MAX = 10,
	WHY_NEEDS_MAX = 20,
};

/* --- building blocks --- */

void why_cause(struct why *y, int64_t job, const char *text)
{
	if (y->causes_len == WHY_CAUSES_MAX || !text)
		return;
	y->causes[y->causes_len].job = job;
	y->causes[y->causes_len++].text = text;
}

const char *why_time(struct why *y, int64_t ms)
{
	char text[CLOCK_TEXT_BYTES];
	return arena_strdup(y->arena, clock_format(ms, text, sizeof text));
}

static const char *named(struct why *y, const struct job *j)
{
	return arena_printf(y->arena, "job %" PRId64 " (%.60s)", j->id, j->name);
}

/* The newest event that brought the job into its state. */
static int last_event(struct why *y, const struct job *j, struct event *out, struct err *e)
{
	struct event *events;
	size_t n;
	*out = (struct event){ .actor = "somebody", .detail = "" };
	if (events_list(y->tx, j->id, 1000, y->arena, &events, &n, e))
		return -1;
	while (n--) {
		if (events[n].to != j->state)
			continue;
		*out = events[n];
		break;
	}
	return 0;
}

/* --- what it needs --- */

/* Down the chain of needs that are not there, to the one at whose end something else is the matter. */
static int follow_needs(struct why *y, const struct job *from, struct err *e)
{
	struct job at = *from;
	for (int depth = 0; depth < WHY_DEPTH_MAX; depth++) {
		struct job *needs;
		size_t n, open = 0;
		const struct job *worst = NULL;
		if (jobs_needs(y->tx, at.id, WHY_NEEDS_MAX, y->arena, &needs, &n, e))
			return -1;
		for (size_t i = 0; i < n; i++) {
			if (needs[i].state == STATE_SUCCEEDED)
				continue;
			bool is_worse = !worst ||
					(state_is_final(needs[i].state) && !state_is_final(worst->state));
			worst = is_worse ? &needs[i] : worst;
			if (open++ < 3)
				why_cause(y, needs[i].id,
					  arena_printf(y->arena, "%s needs %s, which %s %s", named(y, &at),
						       named(y, &needs[i]),
						       state_is_final(needs[i].state) ? "has" : "is",
						       needs[i].state == STATE_CANCELLED
							       ? "been cancelled"
							       : state_name(needs[i].state)));
		}
		if (!worst)
			return 0;
		at = *worst;
		y->chain = arena_printf(y->arena, "%" PRId64 " %s", at.id, y->chain ? y->chain : "");
		bool goes_on = at.state == STATE_BLOCKED ||
			       (at.state == STATE_FAILED && at.reason == REASON_NEEDS);
		if (!goes_on)
			break;
	}
	y->culprit = at;
	y->has_culprit = true;
	return 0;
}

/* What is the matter with the last of the chain is what would move this one on. */
static int explain_culprit(struct why *y, struct err *e)
{
	if (!y->has_culprit)
		return 0;
	struct why deeper = { .server = y->server, .tx = y->tx, .arena = y->arena, .is_nested = true };
	if (why_explain(&deeper, &y->culprit, e))
		return -1;
	why_cause(y, y->culprit.id, arena_printf(y->arena, "%s: %s", named(y, &y->culprit), deeper.summary));
	for (size_t i = 0; i < deeper.causes_len; i++)
		why_cause(y, y->culprit.id, deeper.causes[i].text);
	y->next = deeper.next;
	return 0;
}

static int explain_blocked(struct why *y, const struct job *j, struct err *e)
{
	y->summary = j->needs_left == 1
			     ? "it waits for one job that it needs"
			     : arena_printf(y->arena, "it waits for %d jobs that it needs", j->needs_left);
	if (follow_needs(y, j, e))
		return -1;
	return explain_culprit(y, e);
}

/* --- the other live states --- */

static int explain_scheduled(struct why *y, const struct job *j, struct err *e)
{
	if (j->failures > 0)
		y->summary = arena_printf(y->arena, "it is tried again at %s, after failure %d of %d",
					  why_time(y, j->run_at_ms), j->failures, j->max_attempts);
	else
		y->summary = arena_printf(y->arena, "it was asked to start at %s", why_time(y, j->run_at_ms));
	return j->attempt > 0 ? why_attempt(y, j, e) : 0;
}

/* When it ends, and whether it takes longer than its like. */
static int explain_end(struct why *y, const struct job *j, struct err *e)
{
	struct outlook o;
	int64_t now_ms = tx_now_ms(y->tx);
	if (outlook_find(y->server, y->tx, j, y->arena, &o, e))
		return -1;
	if (!o.has_end)
		return 0;
	if (now_ms - j->started_ms > o.takes.high_ms)
		why_cause(y, 0,
			  arena_printf(y->arena, "it takes longer than its like, which take %s, by %s",
				       outlook_words(&o.takes, 0, y->arena), o.basis));
	why_cause(y, 0,
		  arena_printf(y->arena, "it ends in %s, by %s", outlook_words(&o.end, now_ms, y->arena),
			       o.basis));
	return 0;
}

static int explain_running(struct why *y, const struct job *j, struct err *e)
{
	y->summary = arena_printf(y->arena, "%s on worker %s since %s (attempt %d)",
				  j->state == STATE_COLLECTING ? "its files are being stored" : "it runs",
				  j->worker, why_time(y, j->started_ms), j->attempt);
	if (j->is_cancel_asked)
		why_cause(y, 0, "it was asked to stop and has not ended yet");
	if (j->progress && j->progress[0])
		why_cause(y, 0, j->progress);
	if (!y->is_nested && explain_end(y, j, e))
		return -1;
	return why_losses(y, j, e);
}

static int explain_depwait(struct why *y, const struct job *j, struct err *e)
{
	y->summary = arena_printf(y->arena, "a build dependency is not available in the target %s yet",
				  j->target);
	y->next = arena_printf(
		y->arena, "slipway target update %s, once it is: the job then goes on by itself", j->target);
	return why_attempt(y, j, e);
}

static int explain_suspended(struct why *y, const struct job *j, struct err *e)
{
	struct event v;
	if (last_event(y, j, &v, e))
		return -1;
	y->summary = arena_printf(y->arena, "%s suspended it at %s", v.actor, why_time(y, v.at_ms));
	y->next = arena_printf(y->arena, "slipway resume %" PRId64, j->id);
	return 0;
}

/* --- the final ones --- */

static int explain_succeeded(struct why *y, const struct job *j, struct err *e)
{
	struct artifact *files;
	size_t n;
	if (artifacts_list(y->tx, j->id, 0, y->arena, &files, &n, e))
		return -1;
	y->summary = arena_printf(y->arena, "on worker %s at %s", j->worker, why_time(y, j->finished_ms));
	for (size_t i = 0; i < n && i < WHY_NEEDS_MAX; i++)
		why_cause(y, 0,
			  arena_printf(y->arena, "it produced %s (%" PRId64 " bytes)", files[i].name,
				       files[i].size_bytes));
	return 0;
}

static int explain_cancelled(struct why *y, const struct job *j, struct err *e)
{
	struct event v;
	if (last_event(y, j, &v, e))
		return -1;
	y->summary = arena_printf(y->arena, "%s cancelled it at %s", v.actor, why_time(y, v.at_ms));
	if (v.detail && v.detail[0])
		why_cause(y, 0, v.detail);
	y->next = arena_printf(y->arena, "slipway retry %" PRId64, j->id);
	return 0;
}

static const char *failed_next(struct why *y, const struct job *j)
{
	const char *limit = j->reason == REASON_TIMEOUT	  ? "a longer --timeout"
			    : j->reason == REASON_SILENCE ? "a longer --silence"
			    : j->reason == REASON_MEMORY  ? "a higher --limit memory"
			    : j->reason == REASON_DISK	  ? "a higher --limit disk"
			    : j->reason == REASON_PIDS	  ? "a higher --limit pids"
			    : j->reason == REASON_OUTPUT  ? "a higher --limit log or artifact_bytes"
							  : NULL;
	if (limit)
		return arena_printf(y->arena, "submit it again with %s", limit);
	return arena_printf(y->arena, "once the cause is gone: slipway retry %" PRId64, j->id);
}

static int explain_failed(struct why *y, const struct job *j, struct err *e)
{
	if (j->reason == REASON_NEEDS) {
		y->summary = "a job that it needs did not succeed";
		if (follow_needs(y, j, e) || explain_culprit(y, e))
			return -1;
		y->next = arena_printf(y->arena, "slipway retry %s%" PRId64, y->chain ? y->chain : "", j->id);
		return 0;
	}
	const char *meaning = reason_meaning(j->reason);
	y->summary = arena_printf(y->arena, "%s", meaning ? meaning : "no reason was given");
	if (j->reason == REASON_EXIT && j->exit_code >= 0)
		y->summary = arena_printf(y->arena, "it ended with status %d", j->exit_code);
	if (j->reason == REASON_SIGNAL && j->signal > 0)
		y->summary = arena_printf(y->arena, "it was ended by signal %d (%s)", j->signal,
					  sigabbrev_np(j->signal) ? sigabbrev_np(j->signal) : "?");
	if (j->failures > 1)
		why_cause(y, 0, arena_printf(y->arena, "it failed %d times", j->failures));
	if (why_losses(y, j, e))
		return -1;
	y->next = failed_next(y, j);
	return j->attempt > 0 ? why_attempt(y, j, e) : 0;
}

/* --- the table --- */

int why_explain(struct why *y, const struct job *j, struct err *e)
{
	static int (*const by_state[])(struct why * y, const struct job *j, struct err *e) = {
		[STATE_BLOCKED] = explain_blocked,     [STATE_SCHEDULED] = explain_scheduled,
		[STATE_WAITING] = why_waiting,	       [STATE_RUNNING] = explain_running,
		[STATE_COLLECTING] = explain_running,  [STATE_DEPWAIT] = explain_depwait,
		[STATE_SUSPENDED] = explain_suspended, [STATE_SUCCEEDED] = explain_succeeded,
		[STATE_FAILED] = explain_failed,       [STATE_CANCELLED] = explain_cancelled,
	};
	/* A chain was walked to its end already. */
	if (y->is_nested && j->state == STATE_BLOCKED) {
		y->summary = "it is blocked in its turn";
		return 0;
	}
	if (by_state[j->state](y, j, e))
		return -1;
	return y->summary ? 0 : err_set(e, ERR_NOMEM, "no memory for a reason");
}

static void why_render(struct ask *a)
{
	const struct why *y = a->data;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_kint(&w, "id", y->job.id);
	jw_kstr(&w, "state", state_name(y->job.state));
	jw_kstr(&w, "reason", reason_name(y->job.reason));
	jw_kstr(&w, "summary", y->summary);
	jw_key(&w, "causes");
	jw_begin_array(&w);
	for (size_t i = 0; i < y->causes_len; i++) {
		jw_begin_object(&w);
		jw_kstr(&w, "text", y->causes[i].text);
		render_optional(&w, "job", y->causes[i].job, 0);
		jw_end_object(&w);
	}
	jw_end_array(&w);
	jw_kstr(&w, "next", y->next);
	jw_end_object(&w);
	ask_answer(a, 200);
}

static int why_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct why *y = a->data;
	*y = (struct why){ .server = a->server, .tx = tx, .arena = a->arena };
	return jobs_get(tx, a->id, false, a->arena, &y->job, e) || why_explain(y, &y->job, e) ? -1 : 0;
}

static void why_tail(struct ask *a)
{
	why_log_tail(a->data);
	why_render(a);
}

static void why_after(struct ask *a)
{
	struct why *y = a->data;
	y->tx = NULL;
	if (y->log_job)
		offload_ask(a, why_tail);
	else
		why_render(a);
}

void why_route(struct ask *a)
{
	a->data = arena_alloc(a->arena, sizeof(struct why));
	if (!a->data) {
		struct err e = ERR_INIT;
		err_set(&e, ERR_NOMEM, "no memory for a question");
		ask_fail(a, &e);
		return;
	}
	ask_read(a, why_run, why_after);
}
