#include "model/choose.h"

#include <stdlib.h>
#include <string.h>

void shares_release(struct shares *s)
{
	free(s->at);
	*s = (struct shares){ .at = NULL };
}

/* --- the ledger --- */

/* Where it is, or belongs. */
static size_t share_place(const struct shares *s, int64_t id)
{
	size_t low = 0, high = s->len;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (s->at[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct share *share_find(const struct shares *s, int64_t id)
{
	size_t at = share_place(s, id);
	return at < s->len && s->at[at].id == id ? &s->at[at] : NULL;
}

/* NULL: no memory. */
static struct share *share_add(struct shares *s, int64_t id, int64_t now_ms)
{
	size_t at = share_place(s, id);
	if (s->len == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 16;
		struct share *more = reallocarray(s->at, cap, sizeof *more);
		if (!more)
			return NULL;
		s->at = more;
		s->cap = cap;
	}
	memmove(&s->at[at + 1], &s->at[at], (s->len - at) * sizeof *s->at);
	s->len++;
	s->at[at] = (struct share){ .id = id, .weight = 1, .seen_ms = now_ms - SHARES_IDLE_MS - 1 };
	return &s->at[at];
}

static bool is_present(const struct share *h, int64_t now_ms)
{
	return now_ms - h->seen_ms <= SHARES_IDLE_MS;
}

/* What has run since the last time is charged; who has been away for long is forgotten. */
static void charge_time(struct shares *s, int64_t now_ms)
{
	int64_t span_ms = now_ms > s->now_ms ? now_ms - s->now_ms : 0;
	size_t kept = 0;
	/* Nobody waited meanwhile, as far as is known. */
	if (span_ms > SHARES_IDLE_MS)
		span_ms = SHARES_IDLE_MS;
	for (size_t i = 0; i < s->len; i++) {
		struct share h = s->at[i];
		if (now_ms - h.seen_ms > SHARES_KEEP_MS)
			continue;
		if (!is_present(&h, now_ms))
			h.running = 0;
		h.used += (double)h.running * (double)span_ms / h.weight;
		s->at[kept++] = h;
	}
	s->len = kept;
	s->now_ms = now_ms;
}

/* The least that one of these owners has used who was here before; false if none was. */
static bool find_due(const struct shares *s, const struct choose_owner *owners, size_t n, int64_t now_ms,
		     double *due)
{
	bool is_found = false;
	for (size_t i = 0; i < n; i++) {
		const struct share *h = share_find(s, owners[i].id);
		if (!h || !is_present(h, now_ms) || (is_found && h->used >= *due))
			continue;
		*due = h->used;
		is_found = true;
	}
	return is_found;
}

/* Who comes anew is due, or keeps what he owes, up to the credit. */
static int enter(struct shares *s, const struct choose_owner *owners, size_t n, int64_t now_ms)
{
	double due = 0;
	bool is_level = find_due(s, owners, n, now_ms, &due);
	for (size_t i = 0; i < n; i++) {
		struct share *h = share_find(s, owners[i].id);
		if (!h && !(h = share_add(s, owners[i].id, now_ms)))
			return -1;
		if (is_level && !is_present(h, now_ms)) {
			h->used = h->used < due ? due : h->used;
			h->used = h->used > due + SHARES_CREDIT_MS ? due + SHARES_CREDIT_MS : h->used;
		}
		h->weight = owners[i].weight;
	}
	/* After all of them: they come at once. */
	for (size_t i = 0; i < n; i++)
		share_find(s, owners[i].id)->seen_ms = now_ms;
	return 0;
}

double shares_lead_ms(const struct shares *s, int64_t owner, int64_t now_ms)
{
	const struct share *own = share_find(s, owner);
	double least = own ? own->used : 0;
	for (size_t i = 0; i < s->len; i++)
		if (is_present(&s->at[i], now_ms) && s->at[i].used < least)
			least = s->at[i].used;
	return own ? own->used - least : 0;
}

/* --- the choice --- */

struct choice {
	struct choose_owner *owners;
	struct choose_key *keys;
	const struct choose_job *jobs;
	size_t owners_len, jobs_len;
	struct share **shares; /* of each owner; all NULL: they are level */
	size_t *next, *end;    /* of each owner, his jobs that are left */
};

static int compare_jobs(const void *a, const void *b)
{
	const struct choose_job *x = a, *y = b;
	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* His best job that may run, NULL if there is none. */
static const struct choose_job *best_of(const struct choice *c, size_t owner)
{
	const struct choose_owner *o = &c->owners[owner];
	if (o->running_max && o->running >= o->running_max)
		return NULL;
	size_t *at = &c->next[owner];
	while (*at < c->end[owner] && c->jobs[*at].key >= 0 && c->keys[c->jobs[*at].key].left <= 0)
		++*at;
	return *at < c->end[owner] ? &c->jobs[*at] : NULL;
}

static double used_by(const struct choice *c, size_t owner)
{
	return c->shares && c->shares[owner] ? c->shares[owner]->used : 0;
}

static bool is_before(const struct choice *c, const struct choose_job *a, const struct choose_job *b,
		      double due)
{
	double used_a = used_by(c, (size_t)a->owner), used_b = used_by(c, (size_t)b->owner);
	bool is_far_a = used_a - due > SHARES_CREDIT_MS, is_far_b = used_b - due > SHARES_CREDIT_MS;
	if (is_far_a != is_far_b)
		return is_far_b;
	if (!is_far_a && a->priority != b->priority)
		return a->priority > b->priority;
	if (used_a < used_b || used_a > used_b)
		return used_a < used_b;
	const struct choose_owner *x = &c->owners[a->owner], *y = &c->owners[b->owner];
	if (a->owner != b->owner && x->running * y->weight != y->running * x->weight)
		return x->running * y->weight < y->running * x->weight;
	return a->id < b->id;
}

/* NULL: nothing that waits may run. */
static const struct choose_job *best_of_all(const struct choice *c)
{
	const struct choose_job *best = NULL;
	double due = 0;
	bool has_due = false;
	for (size_t i = 0; i < c->owners_len; i++) {
		if (!best_of(c, i) || (has_due && used_by(c, i) >= due))
			continue;
		due = used_by(c, i);
		has_due = true;
	}
	for (size_t i = 0; has_due && i < c->owners_len; i++) {
		const struct choose_job *j = best_of(c, i);
		if (j && (!best || is_before(c, j, best, due)))
			best = j;
	}
	return best;
}

static void start(struct choice *c, const struct choose_job *j)
{
	struct choose_owner *o = &c->owners[j->owner];
	o->running++;
	c->next[j->owner]++;
	if (j->key >= 0)
		c->keys[j->key].left--;
	if (c->shares && c->shares[j->owner])
		c->shares[j->owner]->used += (double)SHARES_TURN_MS / o->weight;
}

static void find_parts(struct choice *c)
{
	for (size_t i = 0; i < c->jobs_len; i++) {
		size_t o = (size_t)c->jobs[i].owner;
		if (c->end[o] == 0)
			c->next[o] = i;
		c->end[o] = i + 1;
	}
}

/* Into the ledger, if there is anything to share. */
static void consult(struct choice *c, struct shares *s, int64_t now_ms)
{
	if (c->owners_len < 2)
		return;
	charge_time(s, now_ms);
	if (enter(s, c->owners, c->owners_len, now_ms) < 0)
		return;
	c->shares = calloc(c->owners_len, sizeof *c->shares);
	for (size_t i = 0; c->shares && i < c->owners_len; i++)
		c->shares[i] = share_find(s, c->owners[i].id);
}

size_t choose(struct shares *s, int64_t now_ms, struct choose_owner *owners, size_t owners_len,
	      struct choose_key *keys, struct choose_job *jobs, size_t jobs_len, size_t slots, size_t *picks)
{
	struct choice c = {
		.owners = owners, .keys = keys, .jobs = jobs, .owners_len = owners_len, .jobs_len = jobs_len
	};
	size_t n = 0;
	if (!jobs_len || !slots)
		return 0;
	c.next = calloc(owners_len * 2, sizeof *c.next);
	if (!c.next)
		return 0;
	c.end = c.next + owners_len;
	qsort(jobs, jobs_len, sizeof *jobs, compare_jobs);
	find_parts(&c);
	consult(&c, s, now_ms);
	for (const struct choose_job *j; n < slots && (j = best_of_all(&c)); n++) {
		picks[n] = (size_t)(j - jobs);
		start(&c, j);
	}
	for (size_t i = 0; c.shares && i < owners_len; i++)
		c.shares[i]->running = owners[i].running;
	free(c.shares);
	free(c.next);
	return n;
}
