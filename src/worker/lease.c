/* Lease calls: what carries results to the server and brings work back.
 *
 * At most two are under way. One waits at the server for work (`waiting`). When results are there, a second one (`report`)
 * takes them along and offers all free slots; the server answers the waiting one, empty, when it sees the newer. Results
 * that appear while `report` is under way go with the next one, so their number per call grows with the load. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "run/run.h"
#include "text/json.h"
#include "worker/worker_priv.h"

enum {
	WAIT_MAX_MS = 30000,
	TIMEOUT_MS = 30000, /* of a call that is to be answered at once; beyond the wait for one that waits */
	SHORT_RUN_US = 50000, /* attempts shorter than this are fetched ahead */
	AHEAD_US = 40000,     /* as many as run in this time … */
	/* … but not more than LEASE_AHEAD_MAX */
	STUCK_MS = 1000, /* what was fetched ahead and does not get a slot in this time is given back */
	/* While enough work is here, results may wait this long for company. */
	GATHER_MS = 10,
	GATHER_MAX = 24,
	/* After an answer the next result is likely near: it will carry the offer. */
	SETTLE_MS = 2,
	SETTLE_FULL_MS = 20,
	RESULTS_MAX = 256, /* in one call */
};

void lease_note_run(struct worker_loop *w, int64_t us)
{
	w->mean_run_us += (us - w->mean_run_us) / 4;
}

/* How many to have here beyond the slots. */
static unsigned ahead(const struct worker_loop *w)
{
	const struct held *oldest = w->held[HELD_RUNNING].first;
	int64_t mean = w->mean_run_us < 100 ? 100 : w->mean_run_us;
	int64_t n = AHEAD_US * w->options->slots / mean;

	if (mean > SHORT_RUN_US ||
	    (oldest && (clock_boot_ns() - oldest->started_ns) / 1000 > 4 * SHORT_RUN_US))
		return 0;
	return n > LEASE_AHEAD_MAX ? LEASE_AHEAD_MAX : (unsigned)n;
}

static bool is_unclean(const struct worker_loop *w)
{
	struct run_unclean u;

	return run_is_unclean(w->run, &u);
}

static int want(const struct worker_loop *w)
{
	unsigned room = (unsigned)w->options->slots + ahead(w);
	/* One that is being delivered does not need its slot any more, but a worker whose deliveries pile up gets
	 * no more work. */
	unsigned used = w->held[HELD_QUEUED].count + w->held[HELD_RUNNING].count;
	unsigned late = w->held[HELD_DELIVERING].count;

	if (late > (unsigned)w->options->slots)
		used += late - (unsigned)w->options->slots;
	return w->is_stopping || w->disk.is_low || is_unclean(w) || used >= room ? 0 : (int)(room - used);
}

static void call_failed(struct worker_loop *w)
{
	w->is_uncertain = true;
	while (w->held[HELD_SENT].last)
		held_unsend(w->held[HELD_SENT].last);
	w->lease_after_ms = clock_boot_ms() + worker_backoff_ms(++w->failures);
}

void lease_cancel_all(struct worker_loop *w)
{
	client_cancel(w->waiting.job);
	client_cancel(w->report.job);
	w->waiting.job = w->report.job = NULL;
	while (w->held[HELD_SENT].last)
		held_unsend(w->held[HELD_SENT].last);
}

/* ---- the answer --------------------------------------------------------------------------------------------- */

static void take_results(struct worker_loop *w, const json_t *results)
{
	size_t i;
	json_t *item;

	json_array_foreach (results, i, item) {
		int64_t job = json_integer_value(json_object_get(item, "job"));
		int attempt = (int)json_integer_value(json_object_get(item, "attempt"));
		struct held *h = w->held[HELD_SENT].first;

		while (h && (h->spec.job != job || h->spec.attempt != attempt))
			h = h->next;
		if (!h)
			continue;
		if (!json_is_true(json_object_get(item, "ok")))
			log_line(LOG_LEVEL_INFO, "the result of job %lld, attempt %d came too late",
				 (long long)job, attempt);
		held_free(h);
	}
	/* One the server did not mention is sent again. */
	while (w->held[HELD_SENT].last)
		held_unsend(w->held[HELD_SENT].last);
}

static int take_spec(struct worker_loop *w, const json_t *json, struct err *e)
{
	struct arena a = ARENA_INIT;
	struct spec s = { 0 };
	struct held *h;

	if (spec_decode(json, &a, &s, e) < 0) {
		arena_release(&a);
		return -1;
	}
	h = held_add(w, &a, &s);
	if (!h)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (w->is_stopping)
		held_end(h, OUTCOME_RELEASED, REASON_NONE, "the worker stops");
	else if (!w->is_local)
		fetch_begin(h);
	return 0;
}

/* Whose is it? Of one that does not even say that the server sees that it is missing, and takes it back. */
static void refuse_spec(struct worker_loop *w, const json_t *spec, const struct err *e)
{
	const json_t *job = json_object_get(spec, "job"), *attempt = json_object_get(spec, "attempt");

	log_err(e, "a spec of the server cannot be used");
	if (json_is_integer(job) && json_is_integer(attempt))
		held_refuse(w, json_integer_value(job), (int)json_integer_value(attempt), e->text);
	else
		w->is_uncertain = true;
}

static void take_specs(struct worker_loop *w, const json_t *specs)
{
	size_t i;
	json_t *item;

	json_array_foreach (specs, i, item) {
		struct err e = ERR_INIT;

		if (take_spec(w, item, &e) < 0)
			refuse_spec(w, item, &e);
	}
}

/* What a call that was parked brings was given when its wait was over. */
static int64_t waited_ms(const struct worker_loop *w, const struct lease_call *call, const json_t *json)
{
	int64_t ms = json_integer_value(json_object_get(json, "waited_ms"));

	return ms > 0 && ms <= w->answered_ms - call->sent_ms ? ms : 0;
}

static void on_answer(void *ctx, struct client_reply *r, const struct err *e)
{
	struct lease_call *call = ctx;
	struct worker_loop *w = call->worker;
	struct err own = ERR_INIT;
	CLEAN_JSON json_t *json = NULL;

	call->job = NULL;
	if (!e && !(json = json_parse("answer to lease", r->body.data, r->body.len, &own)))
		e = &own;
	if (e) {
		if (session_is_over(e)) {
			session_lost(w, e);
			return;
		}
		if (worker_is_refused(w, call->sent_ms, e)) {
			lease_cancel_all(w);
			call_failed(w);
			return;
		}
		worker_lost_contact(w, call->sent_ms, e);
		lease_cancel_all(w);
		call_failed(w);
		return;
	}
	w->failures = 0;
	worker_has_contact(w);
	w->answered_ms = clock_boot_ms();
	if (call->has_holding) {
		w->is_uncertain = false;
		w->given_up_len = 0;
	}
	w->is_unclean_told = w->is_unclean_told || call->has_unclean;
	session_granted(w, call->sent_ms + waited_ms(w, call, json),
			json_array_size(json_object_get(json, "specs")) > 0);
	if (call == &w->report)
		take_results(w, json_object_get(json, "results"));
	take_specs(w, json_object_get(json, "specs"));
	held_walk(w, json_object_get(json, "cancels"), held_cancel);
}

/* ---- the call ----------------------------------------------------------------------------------------------- */

static void write_results(struct worker_loop *w, struct json_writer *jw)
{
	unsigned n = 0;

	jw_key(jw, "results");
	jw_begin_array(jw);
	while (w->held[HELD_DONE].first && n++ < RESULTS_MAX) {
		struct held *h = w->held[HELD_DONE].first;

		jw_raw(jw, h->result.data);
		held_move(h, HELD_SENT);
	}
	jw_end_array(jw);
}

static void write_given_up(const struct worker_loop *w, struct json_writer *jw)
{
	jw_key(jw, "dropped");
	jw_begin_array(jw);
	for (size_t i = 0; i < w->given_up_len; i++) {
		jw_begin_array(jw);
		jw_int(jw, w->given_up[i].job);
		jw_int(jw, w->given_up[i].attempt);
		jw_end_array(jw);
	}
	jw_end_array(jw);
}

/* true: there is something to say. */
static bool write_unclean(const struct worker_loop *w, struct json_writer *jw)
{
	struct run_unclean u;

	if (!run_is_unclean(w->run, &u))
		return false;
	jw_key(jw, "unclean");
	jw_begin_object(jw);
	jw_kstr(jw, "reason", u.reason);
	jw_key(jw, "attempts");
	jw_begin_array(jw);
	if (u.job) {
		jw_begin_array(jw);
		jw_int(jw, u.job);
		jw_int(jw, u.attempt);
		jw_end_array(jw);
	}
	jw_end_array(jw);
	jw_end_object(jw);
	return true;
}

static void send(struct worker_loop *w, struct lease_call *call, int64_t wait_ms)
{
	struct buf json = BUF_INIT;
	struct json_writer jw;

	call->worker = w;
	call->sent_ms = clock_boot_ms();
	call->free = want(w);
	call->has_holding = w->is_uncertain;
	jw_init(&jw, &json);
	jw_begin_object(&jw);
	jw_kint(&jw, "free", call->free);
	jw_kint(&jw, "wait_ms", wait_ms);
	if (w->is_uncertain) {
		jw_key(&jw, "holding");
		held_write(w, NULL, &jw);
		if (w->given_up_len)
			write_given_up(w, &jw);
	}
	call->has_unclean = write_unclean(w, &jw);
	if (call == &w->report)
		write_results(w, &jw);
	status_write(w, &jw);
	jw_end_object(&jw);
	if (worker_post(w, "/feed/lease", &json, wait_ms + TIMEOUT_MS, on_answer, call, &call->job) < 0) {
		call->job = NULL;
		call_failed(w);
	}
	buf_release(&json);
}

/* What was fetched ahead was a mistake when the slots stay taken: others may have room. */
static void give_back_stuck(struct worker_loop *w, int64_t now)
{
	const struct held *oldest = w->held[HELD_QUEUED].first;
	struct held *next;

	if (!oldest || w->held[HELD_RUNNING].count < (unsigned)w->options->slots || ahead(w))
		return;
	if (now - oldest->since_ms < STUCK_MS) {
		worker_wake_at(w, oldest->since_ms + STUCK_MS);
		return;
	}
	for (struct held *h = w->held[HELD_QUEUED].first; h; h = next) {
		next = h->next;
		held_end(h, OUTCOME_RELEASED, REASON_NONE, "no slot was free at this worker after all");
	}
}

/* The slots have work for twice the time that results would wait. */
static bool is_well_stocked(const struct worker_loop *w)
{
	return w->held[HELD_QUEUED].count * w->mean_run_us / w->options->slots >= 2 * GATHER_MS * 1000;
}

static bool may_gather(const struct worker_loop *w, int64_t now)
{
	const struct held_list *done = &w->held[HELD_DONE];

	return !w->is_stopping && done->count < GATHER_MAX && now - done->first->since_ms < GATHER_MS &&
	       is_well_stocked(w);
}

/* With results, or without to replace a waiting call that offers too little. */
static bool report_is_due(struct worker_loop *w, int64_t now)
{
	const struct held_list *done = &w->held[HELD_DONE];

	if (is_unclean(w) && !w->is_unclean_told)
		return true;
	if (!done->count)
		return w->waiting.job && (want(w) > w->waiting.free || w->is_status_due);
	if (may_gather(w, now)) {
		worker_wake_at(w, done->first->since_ms + GATHER_MS);
		return false;
	}
	return true;
}

static bool wait_is_due(struct worker_loop *w, int64_t now)
{
	int64_t from = w->answered_ms;

	if (w->is_stopping)
		return false;
	if (w->held[HELD_RUNNING].count)
		from += want(w) ? SETTLE_MS : SETTLE_FULL_MS;
	if (now >= from)
		return true;
	worker_wake_at(w, from);
	return false;
}

void lease_turn(struct worker_loop *w)
{
	int64_t now = clock_boot_ms();
	int64_t wait_ms = w->lease_ms < WAIT_MAX_MS ? w->lease_ms : WAIT_MAX_MS;

	if (!w->is_registered || w->report.job)
		return;
	give_back_stuck(w, now);
	if (now < w->lease_after_ms) {
		worker_wake_at(w, w->lease_after_ms);
		return;
	}
	if (w->is_uncertain) {
		/* What is named as held must be all that is held: no other answer may be on its way. */
		lease_cancel_all(w);
		send(w, &w->report, 0);
	} else if (report_is_due(w, now)) {
		send(w, &w->report, 0);
	} else if (!w->waiting.job && wait_is_due(w, now)) {
		send(w, &w->waiting, wait_ms);
	}
}
