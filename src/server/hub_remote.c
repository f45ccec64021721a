/* The hub's half for what other servers changed: it takes the same way as what was changed here. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/lease.h"
#include "store/ear.h"
#include "store/records.h"
#include "store/servers.h"

bool hub_hear(struct server *s, const struct store_change *changes, size_t n)
{
	bool is_cancel = false;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < n; i++) {
		const struct held *h = idmap_find(&s->held, changes[i].job);
		is_cancel = is_cancel || (h && changes[i].is_cancel_asked && !h->is_cancel_asked);
		hub_tell_subs(s, &changes[i]);
	}
	pthread_mutex_unlock(&s->lock);
	return is_cancel;
}

void hub_wake_all(struct server *s)
{
	size_t at = 0;
	void *value;
	pthread_mutex_lock(&s->lock);
	while (map_next(&s->sessions, &at, NULL, &value)) {
		struct lease_call *c = ((struct session *)value)->call;
		if (c && c->is_parked)
			lease_again(c);
		else if (c)
			c->is_wanted = true;
	}
	pthread_mutex_unlock(&s->lock);
}

/* --- what a look has seen --- */

bool hub_may_be_cancelled(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	bool is_any_held = s->held.count > 0;
	pthread_mutex_unlock(&s->lock);
	return is_any_held;
}

void hub_cancel(struct server *s, int64_t job, int attempt)
{
	pthread_mutex_lock(&s->lock);
	const struct held *h = idmap_find(&s->held, job);
	if (h && h->attempt == attempt)
		hub_note_held(s, &(struct store_change){ .job = job,
							 .from = STATE_RUNNING,
							 .to = STATE_RUNNING,
							 .is_cancel_asked = true });
	pthread_mutex_unlock(&s->lock);
}

int64_t *hub_watched(struct server *s, size_t *n)
{
	size_t at = 0;
	int64_t job;
	void *value;
	*n = 0;
	pthread_mutex_lock(&s->lock);
	int64_t *ids = s->subs.count ? calloc(s->subs.count, sizeof *ids) : NULL;
	while (ids && *n < s->subs.count && idmap_next(&s->subs, &at, &job, &value))
		ids[(*n)++] = job;
	pthread_mutex_unlock(&s->lock);
	return ids;
}

static void see_one(struct server *s, const struct ear_job *j)
{
	const struct store_change c = { .job = j->id,
					.from = j->state,
					.to = j->state,
					.lane = j->lane,
					.is_cancel_asked = j->is_cancel_asked };
	for (struct sub *sub = idmap_find(&s->subs, j->id), *next; sub; sub = next) {
		next = sub->next;
		if (sub->seen == j->events)
			continue;
		sub->seen = j->events;
		sub->fn(sub, &c);
	}
}

void hub_see(struct server *s, const struct ear_job *jobs, size_t n)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < n; i++)
		see_one(s, &jobs[i]);
	pthread_mutex_unlock(&s->lock);
}

/* --- workers that have fallen silent --- */

struct silence {
	struct store_task task;
	struct arena arena;
	struct silent_worker {
		const char *name, *session;
	} * workers;
	size_t len;
};

static int silence_run(struct tx *tx, struct store_task *t, struct err *e)
{
	const struct silence *k = container_of(t, struct silence, task);
	for (size_t i = 0; i < k->len; i++)
		if (workers_fell_silent(tx, k->workers[i].name, k->workers[i].session, e))
			return -1;
	return 0;
}

static void silence_done(struct store_task *t)
{
	struct silence *k = container_of(t, struct silence, task);
	if (t->rc)
		log_err(&t->err, "workers that have fallen silent");
	arena_release(&k->arena);
	free(k);
}

static bool is_silent(const struct server *s, const struct session *n, int64_t now_ms)
{
	bool is_parked = n->call && n->call->is_parked;
	return !is_parked && !n->is_silent && now_ms - n->heard_ms >= s->lease_ms;
}

/* (locked) It speaks again: its next beat is for the store as well. */
static void note_silent(struct silence *k, struct session *n)
{
	k->workers[k->len].name = arena_strdup(&k->arena, n->worker);
	k->workers[k->len].session = arena_strdup(&k->arena, n->hex);
	n->is_silent = true;
	n->stored_ms = 0;
	k->len += k->workers[k->len].name && k->workers[k->len].session;
}

void hub_silence(struct server *s)
{
	size_t at = 0;
	void *value;
	int64_t now_ms = clock_boot_ms();
	struct silence *k = calloc(1, sizeof *k);
	if (!k)
		return;
	k->task = (struct store_task){ .run = silence_run, .done = silence_done };
	pthread_mutex_lock(&s->lock);
	k->workers = arena_array(&k->arena, s->sessions.count + 1, sizeof *k->workers);
	while (k->workers && map_next(&s->sessions, &at, NULL, &value))
		if (is_silent(s, value, now_ms))
			note_silent(k, value);
	pthread_mutex_unlock(&s->lock);
	if (k->len)
		store_write(s->store, &k->task);
	else
		silence_done(&k->task);
}
