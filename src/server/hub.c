/* Who waits for what: sessions and the attempts they hold, parked leases, subscriptions to jobs. hub_watch() hears of
 * every commit and wakes whom it concerns. */
#include "server/lease.h"

#include <string.h>

#include "base/clock.h"
#include "server/peers.h"
#include "store/servers.h"

void hub_init(struct server *s)
{
	pthread_mutex_init(&s->lock, NULL);
	s->parked_tail = &s->parked;
}

static void held_remove(struct server *s, struct held *h)
{
	idmap_remove(&s->held, h->job);
	if (h->is_cancel_asked && !h->is_cancel_told)
		h->session->cancels--;
	*h->link = h->next;
	if (h->next)
		h->next->link = h->link;
	free(h);
}

static void session_free(struct server *s, struct session *n)
{
	while (n->held)
		held_remove(s, n->held);
	if (n->call) {
		n->call->is_superseded = true;
		if (n->call->is_parked)
			lease_answer_empty(n->call);
	}
	free(n->worker);
	free(n->hex);
	free(n->status);
	free(n);
}

void hub_release(struct server *s)
{
	size_t at = 0;
	void *value;
	while (map_next(&s->sessions, &at, NULL, &value))
		session_free(s, value);
	map_release(&s->sessions);
	idmap_release(&s->held);
	idmap_release(&s->subs);
	idmap_release(&s->fitting);
	pthread_mutex_destroy(&s->lock);
}

struct session *hub_session_find(struct server *s, const char *worker, const char *hex)
{
	struct session *n = map_find(&s->sessions, worker);
	if (!n || strcmp(n->hex, hex) != 0)
		return NULL;
	n->heard_ms = clock_boot_ms();
	n->is_silent = false;
	return n;
}

void hub_session_remove(struct server *s, const char *worker)
{
	struct session *n = map_remove(&s->sessions, worker);
	if (n)
		session_free(s, n);
}

struct session *hub_session_set(struct server *s, const char *worker, const char *hex, int64_t worker_id)
{
	hub_session_remove(s, worker);
	struct session *n = calloc(1, sizeof *n);
	if (n) {
		n->worker = strdup(worker);
		n->hex = strdup(hex);
		n->worker_id = worker_id;
		n->heard_ms = n->stored_ms = clock_boot_ms();
	}
	if (n && n->worker && n->hex && map_set(&s->sessions, worker, n, NULL) == 0)
		return n;
	if (n)
		session_free(s, n);
	return NULL;
}

int hub_held_add(struct server *s, struct session *session, const struct job *j)
{
	struct held *old = idmap_find(&s->held, j->id);
	if (old)
		held_remove(s, old);
	struct held *h = calloc(1, sizeof *h);
	if (!h || idmap_set(&s->held, j->id, h, NULL)) {
		free(h);
		return -1;
	}
	h->job = j->id;
	h->attempt = j->attempt;
	h->kind = j->kind;
	h->session = session;
	h->is_cancel_asked = j->is_cancel_asked;
	session->cancels += h->is_cancel_asked;
	h->next = session->held;
	h->link = &session->held;
	if (h->next)
		h->next->link = &h->next;
	session->held = h;
	return 0;
}

bool hub_holds(struct server *s, const char *worker, const char *hex, int64_t job, int attempt)
{
	pthread_mutex_lock(&s->lock);
	struct held *h = idmap_find(&s->held, job);
	bool holds = h && h->attempt == attempt && strcmp(h->session->hex, hex) == 0 &&
		     strcmp(h->session->worker, worker) == 0;
	pthread_mutex_unlock(&s->lock);
	return holds;
}

/* (locked) */
static struct held *find_held(struct server *s, int64_t job, int attempt)
{
	struct held *h = idmap_find(&s->held, job);
	return h && h->attempt == attempt ? h : NULL;
}

void hub_note_beat(struct server *s, const struct attempt_id *named, size_t n,
		   const struct attempt_id *queued, size_t queued_len)
{
	struct held *h;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < n; i++) {
		if (!(h = find_held(s, named[i].job, named[i].attempt)))
			continue;
		h->is_named = true;
		h->is_queued = false;
	}
	for (size_t i = 0; i < queued_len; i++)
		if ((h = find_held(s, queued[i].job, queued[i].attempt)))
			h->is_queued = true;
	pthread_mutex_unlock(&s->lock);
}

bool hub_was_named(struct server *s, int64_t job, int attempt)
{
	pthread_mutex_lock(&s->lock);
	const struct held *h = find_held(s, job, attempt);
	bool was_named = h && h->is_named;
	pthread_mutex_unlock(&s->lock);
	return was_named;
}

bool hub_is_queued(void *ctx, int64_t job, int attempt)
{
	struct server *s = ctx;
	pthread_mutex_lock(&s->lock);
	const struct held *h = find_held(s, job, attempt);
	bool is_queued = h && h->is_queued;
	pthread_mutex_unlock(&s->lock);
	return is_queued;
}

void hub_held_set(struct server *s, const char *worker, const char *hex, const struct job *jobs, size_t n)
{
	pthread_mutex_lock(&s->lock);
	struct session *session = hub_session_find(s, worker, hex);
	for (struct held *h = session ? session->held : NULL, *next; h; h = next) {
		next = h->next;
		bool is_held = false;
		for (size_t i = 0; i < n && !is_held; i++)
			is_held = jobs[i].id == h->job && jobs[i].attempt == h->attempt;
		if (!is_held)
			held_remove(s, h);
	}
	for (size_t i = 0; session && i < n; i++) {
		const struct held *h = idmap_find(&s->held, jobs[i].id);
		if (!h || h->attempt != jobs[i].attempt || h->session != session)
			hub_held_add(s, session, &jobs[i]);
	}
	pthread_mutex_unlock(&s->lock);
}

void hub_sub_add(struct server *s, struct sub *sub)
{
	pthread_mutex_lock(&s->lock);
	struct sub *first = idmap_find(&s->subs, sub->job);
	sub->next = first ? first->next : NULL;
	if (!first) {
		/* The first of a job is what the map knows; link NULL says so. */
		sub->link = NULL;
		idmap_set(&s->subs, sub->job, sub, NULL);
	} else {
		sub->link = &first->next;
		if (sub->next)
			sub->next->link = &sub->next;
		first->next = sub;
	}
	pthread_mutex_unlock(&s->lock);
}

void hub_sub_remove(struct server *s, struct sub *sub)
{
	pthread_mutex_lock(&s->lock);
	if (sub->fn && sub->link) {
		*sub->link = sub->next;
		if (sub->next)
			sub->next->link = sub->link;
	} else if (sub->fn && idmap_find(&s->subs, sub->job) == sub) {
		idmap_remove(&s->subs, sub->job);
		if (sub->next) {
			sub->next->link = NULL;
			idmap_set(&s->subs, sub->job, sub->next, NULL);
		}
	}
	sub->fn = NULL;
	pthread_mutex_unlock(&s->lock);
}

void hub_park(struct server *s, struct lease_call *c)
{
	c->is_parked = true;
	c->next = NULL;
	c->link = s->parked_tail;
	*s->parked_tail = c;
	s->parked_tail = &c->next;
}

void hub_unpark(struct server *s, struct lease_call *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	else
		s->parked_tail = c->link;
	c->is_parked = false;
}

void hub_alarm_add(struct server *s, struct alarm *a)
{
	pthread_mutex_lock(&s->lock);
	a->next = s->alarms;
	a->link = &s->alarms;
	if (a->next)
		a->next->link = &a->next;
	s->alarms = a;
	pthread_mutex_unlock(&s->lock);
	tick_park_at(s, a->at_ms);
}

static void unlink_alarm(struct alarm *a)
{
	*a->link = a->next;
	if (a->next)
		a->next->link = a->link;
	a->link = NULL;
}

void hub_alarm_remove(struct server *s, struct alarm *a)
{
	pthread_mutex_lock(&s->lock);
	if (a->link)
		unlink_alarm(a);
	pthread_mutex_unlock(&s->lock);
}

/* (locked) */
static int64_t expire_alarms(struct server *s, int64_t now_ms, bool is_all)
{
	int64_t next_ms = 0;
	for (struct alarm *a = s->alarms, *next; a; a = next) {
		next = a->next;
		if (is_all || a->at_ms <= now_ms) {
			unlink_alarm(a);
			a->fn(a);
		} else if (!next_ms || a->at_ms < next_ms) {
			next_ms = a->at_ms;
		}
	}
	return next_ms;
}

int64_t hub_expire(struct server *s, int64_t now_ms, bool is_all)
{
	pthread_mutex_lock(&s->lock);
	int64_t next_ms = expire_alarms(s, now_ms, is_all);
	for (struct lease_call *c = s->parked, *next; c; c = next) {
		next = c->next;
		if (is_all || c->until_ms <= now_ms)
			lease_answer_empty(c);
		else if (!next_ms || c->until_ms < next_ms)
			next_ms = c->until_ms;
	}
	pthread_mutex_unlock(&s->lock);
	return next_ms;
}

void hub_wake_worker(struct server *s, const char *worker)
{
	pthread_mutex_lock(&s->lock);
	struct session *n = map_find(&s->sessions, worker);
	if (n && n->call) {
		n->call->is_wanted = true;
		if (n->call->is_parked)
			lease_again(n->call);
	}
	pthread_mutex_unlock(&s->lock);
}

int64_t hub_heard_ms(struct server *s, const struct worker *w)
{
	int64_t age_ms = -1;
	if (w->server != store_server_id(s->store))
		return w->beat_ms;
	pthread_mutex_lock(&s->lock);
	const struct session *n = map_find(&s->sessions, w->name);
	if (n)
		age_ms = n->call && n->call->is_parked ? 0 : clock_boot_ms() - n->heard_ms;
	pthread_mutex_unlock(&s->lock);
	int64_t heard_ms = age_ms < 0 ? 0 : store_now_ms(s->store) - age_ms;
	return heard_ms > w->beat_ms ? heard_ms : w->beat_ms;
}

bool hub_is_online(struct server *s, const struct worker *w)
{
	/* Another server says by itself when its workers fall silent. */
	if (w->server != store_server_id(s->store))
		return w->is_online && w->is_server_alive;
	return w->is_online && store_now_ms(s->store) - hub_heard_ms(s, w) < s->lease_ms;
}

/* Work of one lane that a commit brought. */
struct lane_news {
	int64_t lane;
	int64_t jobs;
};
enum { LANE_NEWS_MAX = 16 };

static const struct lane *lane_known(const struct server *s, int64_t id)
{
	for (size_t i = 0; i < s->lanes.len; i++)
		if (s->lanes.lanes[i].id == id)
			return &s->lanes.lanes[i];
	return NULL;
}

/* Wake as many as the jobs need; a lane not seen before: all, they will look. A call that is in a task just now is
 * told to look again when it comes back. Gives how many jobs nobody here was woken for. */
static int64_t wake_lane(struct server *s, const struct lane_news *n)
{
	const struct lane *l = lane_known(s, n->lane);
	if (!l)
		s->lanes.is_fresh = false;
	int64_t left = n->jobs;
	for (struct lease_call *c = s->parked, *next; c && (!l || left > 0); c = next) {
		next = c->next;
		if (c->free == 0 || (l && lane_match(l, &c->worker) != LANE_FITS))
			continue;
		left -= l ? c->free : 0;
		lease_again(c);
	}
	return left;
}

/* Calls in a task are not in the list of parked ones: mark all of them, each looks once more. */
static void mark_busy_calls(struct server *s)
{
	size_t at = 0;
	void *value;
	while (map_next(&s->sessions, &at, NULL, &value)) {
		struct session *n = value;
		if (n->call && !n->call->is_parked)
			n->call->is_wanted = true;
	}
}

/* What is too much for the workers here is for those of others. */
static void wake_and_tell(struct server *s, const struct lane_news *n)
{
	int64_t left = wake_lane(s, n);
	if (left > 0)
		peers_tell_lane(s, n->lane, left);
}

static void note_lane(struct server *s, struct lane_news *news, size_t *len, int64_t lane)
{
	for (size_t i = 0; i < *len; i++) {
		if (news[i].lane == lane) {
			news[i].jobs++;
			return;
		}
	}
	if (*len == LANE_NEWS_MAX)
		wake_and_tell(s, &news[--*len]);
	news[*len].lane = lane;
	news[(*len)++].jobs = 1;
}

void hub_note_held(struct server *s, const struct store_change *c)
{
	struct held *h = idmap_find(&s->held, c->job);
	if (!h)
		return;
	if (state_is_leased(c->from) && !state_is_leased(c->to)) {
		held_remove(s, h);
	} else if (c->is_cancel_asked && !h->is_cancel_asked) {
		struct session *n = h->session;
		h->is_cancel_asked = true;
		n->cancels++;
		if (n->call && n->call->is_parked)
			lease_answer_empty(n->call);
	}
}

void hub_tell_subs(struct server *s, const struct store_change *c)
{
	for (struct sub *sub = idmap_find(&s->subs, c->job), *next; sub; sub = next) {
		next = sub->next;
		sub->fn(sub, c);
	}
}

void hub_wake_lane(struct server *s, int64_t lane, int64_t jobs)
{
	pthread_mutex_lock(&s->lock);
	mark_busy_calls(s);
	wake_lane(s, &(struct lane_news){ lane, jobs });
	pthread_mutex_unlock(&s->lock);
}

void hub_watch(void *ctx, const struct store_change *changes, size_t n)
{
	struct server *s = ctx;
	struct lane_news news[LANE_NEWS_MAX];
	size_t news_len = 0;
	bool is_due = false, is_granted = false;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < n; i++) {
		const struct store_change *c = &changes[i];
		hub_note_held(s, c);
		if (s->subs.count)
			hub_tell_subs(s, c);
		if (c->to == STATE_WAITING)
			note_lane(s, news, &news_len, c->lane);
		is_due = is_due || c->to == STATE_SCHEDULED;
		is_granted = is_granted || (c->to == STATE_RUNNING && c->from == STATE_WAITING);
	}
	if (news_len)
		mark_busy_calls(s);
	for (size_t i = 0; i < news_len; i++)
		wake_and_tell(s, &news[i]);
	pthread_mutex_unlock(&s->lock);
	peers_tell_jobs(s, changes, n);
	if (is_due)
		tick_due_at(s, 0);
	if (is_granted)
		tick_expire_at(s, clock_boot_ms() + server_beat_ms(s));
}
