/* What the worker holds: each attempt from its lease to the server's answer to its result. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "run/run.h"
#include "text/json.h"
#include "worker/worker_priv.h"

static void list_add(struct held_list *l, struct held *h)
{
	h->prev = l->last;
	h->next = NULL;
	if (l->last)
		l->last->next = h;
	else
		l->first = h;
	l->last = h;
	l->count++;
}

static void list_remove(struct held_list *l, struct held *h)
{
	if (h->prev)
		h->prev->next = h->next;
	else
		l->first = h->next;
	if (h->next)
		h->next->prev = h->prev;
	else
		l->last = h->prev;
	l->count--;
}

struct held *held_add(struct worker_loop *w, struct arena *a, const struct spec *s)
{
	struct held *h = calloc(1, sizeof(*h));

	if (!h) {
		arena_release(a);
		return NULL;
	}
	h->worker = w;
	h->arena = *a;
	h->spec = *s;
	h->log_fd = -1;
	buf_init(&h->result);
	h->stage = HELD_QUEUED;
	h->since_ms = clock_boot_ms();
	list_add(&w->held[HELD_QUEUED], h);
	return h;
}

struct held *held_find(struct worker_loop *w, int64_t job, int attempt)
{
	for (int stage = 0; stage < HELD_STAGES; stage++)
		for (struct held *h = w->held[stage].first; h; h = h->next)
			if (h->spec.job == job && h->spec.attempt == attempt)
				return h;
	return NULL;
}

void held_move(struct held *h, enum held_stage stage)
{
	list_remove(&h->worker->held[h->stage], h);
	h->stage = stage;
	h->since_ms = clock_boot_ms();
	list_add(&h->worker->held[stage], h);
}

void held_unsend(struct held *h)
{
	struct held_list *l = &h->worker->held[HELD_DONE];

	list_remove(&h->worker->held[h->stage], h);
	h->stage = HELD_DONE;
	h->prev = NULL;
	h->next = l->first;
	if (l->first)
		l->first->prev = h;
	else
		l->last = h;
	l->first = h;
	l->count++;
}

void held_close_files(struct held *h)
{
	client_cancel(h->put);
	h->put = NULL;
	for (size_t i = h->stored; i < h->fds_len; i++)
		close(h->fds[i]);
	h->stored = h->fds_len = 0;
	free(h->fds);
	h->fds = NULL;
	if (h->log_fd >= 0)
		close(h->log_fd);
	h->log_fd = -1;
}

void held_free(struct held *h)
{
	list_remove(&h->worker->held[h->stage], h);
	fetch_forget(h);
	fetch_unpin(h);
	held_close_files(h);
	buf_release(&h->result);
	arena_release(&h->arena);
	free(h);
}

unsigned held_count(const struct worker_loop *w)
{
	unsigned n = 0;

	for (int stage = 0; stage < HELD_STAGES; stage++)
		n += w->held[stage].count;
	return n;
}

void held_report(struct held *h)
{
	held_close_files(h);
	buf_reset(&h->result);
	outcome_encode(&h->outcome, &h->result);
	if (h->result.is_failed) {
		/* No memory for it: the server takes the attempt back when it misses it. */
		held_free(h);
		return;
	}
	held_move(h, HELD_DONE);
}

void held_end(struct held *h, enum attempt_outcome outcome, enum job_reason reason, const char *detail)
{
	int64_t log_bytes = h->log_size;

	h->outcome = (struct outcome){
		.job = h->spec.job,
		.attempt = h->spec.attempt,
		.outcome = outcome,
		.reason = reason,
		.step = "",
		.detail = detail,
		.exit_code = -1,
		.log_bytes = log_bytes,
	};
	fetch_forget(h);
	held_report(h);
}

void held_write(const struct worker_loop *w, bool (*which)(const struct held *), struct json_writer *jw)
{
	jw_begin_array(jw);
	for (int stage = 0; stage < HELD_STAGES; stage++)
		for (const struct held *h = w->held[stage].first; h; h = h->next) {
			if (which && !which(h))
				continue;
			jw_begin_array(jw);
			jw_int(jw, h->spec.job);
			jw_int(jw, h->spec.attempt);
			jw_end_array(jw);
		}
	jw_end_array(jw);
}

void held_cancel(struct worker_loop *w, int64_t job, int attempt)
{
	struct held *h = held_find(w, job, attempt);

	if (!h)
		return;
	switch (h->stage) {
	case HELD_QUEUED:
	case HELD_DELIVERING:
		held_end(h, OUTCOME_CANCELLED, REASON_NONE, "");
		break;
	case HELD_RUNNING:
		run_stop(w->run, job, attempt, RUN_STOP_CANCEL);
		break;
	case HELD_DONE:
	case HELD_SENT:
	case HELD_STAGES:
		break;
	}
}

void held_release(struct worker_loop *w, int64_t job, int attempt)
{
	struct held *h = held_find(w, job, attempt);

	if (h && h->stage == HELD_QUEUED)
		held_end(h, OUTCOME_RELEASED, REASON_NONE, "its worker was disabled");
	else if (h && h->stage == HELD_RUNNING)
		run_stop(w->run, job, attempt, RUN_STOP_RELEASE);
}

void held_drop(struct held *h)
{
	if (h->stage == HELD_RUNNING)
		run_stop(h->worker->run, h->spec.job, h->spec.attempt, RUN_STOP_STALE);
	held_free(h);
}

void held_give_up(struct held *h)
{
	struct worker_loop *w = h->worker;

	if (w->given_up_len == w->given_up_cap) {
		size_t cap = w->given_up_cap * 2 + 16;
		struct attempt_pair *more = reallocarray(w->given_up, cap, sizeof(*more));

		if (more) {
			w->given_up = more;
			w->given_up_cap = cap;
		}
	}
	if (w->given_up_len < w->given_up_cap)
		w->given_up[w->given_up_len++] = (struct attempt_pair){ h->spec.job, h->spec.attempt };
	held_drop(h);
}

void held_refuse(struct worker_loop *w, int64_t job, int attempt, const char *why)
{
	struct arena a = ARENA_INIT;
	const char *detail = arena_strdup(&a, why);
	const struct spec s = { .job = job, .attempt = attempt };
	struct held *h = held_add(w, &a, &s);

	if (h)
		held_end(h, OUTCOME_FAILED, REASON_INTERNAL, detail ? detail : "");
}

static void start(struct worker_loop *w, struct held *h)
{
	struct err e = ERR_INIT;

	h->started_ns = clock_boot_ns();
	if (run_start(w->run, &h->spec, &e) == 0) {
		held_move(h, HELD_RUNNING);
		return;
	}
	log_err(&e, "start job %lld", (long long)h->spec.job);
	held_end(h, OUTCOME_FAILED, REASON_INTERNAL, "the worker could not start it");
}

void held_start_queued(struct worker_loop *w)
{
	struct held *next;

	for (struct held *h = w->held[HELD_QUEUED].first; h; h = next) {
		next = h->next;
		if (w->held[HELD_RUNNING].count >= (unsigned)w->options->slots)
			break;
		if (!h->blobs_missing)
			start(w, h);
	}
}

void held_walk(struct worker_loop *w, const json_t *array, held_each *fn)
{
	size_t i;
	json_t *item;

	json_array_foreach (array, i, item) {
		const json_t *job = json_is_array(item) ? json_array_get(item, 0)
							: json_object_get(item, "job");
		const json_t *n = json_is_array(item) ? json_array_get(item, 1)
						      : json_object_get(item, "attempt");

		if (json_is_integer(job) && json_is_integer(n))
			fn(w, json_integer_value(job), (int)json_integer_value(n));
	}
}

/* ---- callbacks of src/run ----------------------------------------------------------------------------------- */

void held_on_log(void *ctx, int64_t job, int attempt, int64_t size_bytes)
{
	struct held *h = held_find(ctx, job, attempt);

	if (!h || size_bytes <= h->log_size)
		return;
	h->log_size = size_bytes;
	deliver_log(h);
}

void held_on_collecting(void *ctx, int64_t job, int attempt)
{
	struct held *h = held_find(ctx, job, attempt);

	if (h)
		h->is_collecting = true;
}

/* The strings of an outcome are borrowed: what has to wait for a delivery is copied. */
static int keep_outcome(struct held *h, const struct outcome *o)
{
	struct outcome *k = &h->outcome;
	struct artifact *list;

	*k = *o;
	k->step = arena_strdup(&h->arena, o->step);
	k->detail = arena_strdup(&h->arena, o->detail);
	k->result = arena_strdup(&h->arena, o->result);
	k->log = o->log ? arena_memdup(&h->arena, o->log, o->log_len) : NULL;
	list = arena_array(&h->arena, o->artifacts_len, sizeof(*list));
	if ((o->step && !k->step) || (o->detail && !k->detail) || (o->result && !k->result) ||
	    (o->log && !k->log) || (o->artifacts_len && !list))
		return -1;
	for (size_t i = 0; i < o->artifacts_len; i++) {
		list[i] = o->artifacts[i];
		list[i].name = arena_strdup(&h->arena, o->artifacts[i].name);
		if (!list[i].name)
			return -1;
	}
	k->artifacts = list;
	return 0;
}

static int keep_fds(struct held *h, const int *fds, size_t n)
{
	if (!n)
		return 0;
	h->fds = malloc(n * sizeof(*fds));
	if (!h->fds)
		return -1;
	memcpy(h->fds, fds, n * sizeof(*fds));
	h->fds_len = n;
	return 0;
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

void held_on_finished(void *ctx, const struct outcome *o, const int *artifact_fds)
{
	struct worker_loop *w = ctx;
	struct held *h = held_find(w, o->job, o->attempt);

	/* Past the deadline the watchdog may be what ended it, and the server may have given it away. */
	if (h && session_check_deadline(w))
		h = NULL;
	if (!h || h->stage != HELD_RUNNING) {
		close_all(artifact_fds, o->artifacts_len);
		return;
	}
	lease_note_run(w, (clock_boot_ns() - h->started_ns) / 1000);
	if (keep_fds(h, artifact_fds, o->artifacts_len) < 0) {
		close_all(artifact_fds, o->artifacts_len);
		held_end(h, OUTCOME_FAILED, REASON_INTERNAL, "out of memory");
	} else if (o->artifacts_len || (!w->is_local && !o->log && o->log_bytes)) {
		if (keep_outcome(h, o) < 0)
			held_end(h, OUTCOME_FAILED, REASON_INTERNAL, "out of memory");
		else
			deliver_begin(h);
	} else {
		h->outcome = *o;
		held_report(h);
	}
}
