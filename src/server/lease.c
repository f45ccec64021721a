#include "server/lease.h"

#include <string.h>

#include "base/clock.h"
#include "kind/kind.h"
#include "server/feed.h"
#include "server/feed_status.h"
#include "store/blobs.h"
#include "store/jobs.h"
#include "store/records.h"
#include "store/servers.h"

/* --- what a call brings --- */

static int decode_pair(const json_t *pair, struct attempt_id *out, struct err *e)
{
	const json_t *job = json_array_get(pair, 0), *attempt = json_array_get(pair, 1);
	if (json_array_size(pair) != 2 || !json_is_integer(job) || !json_is_integer(attempt))
		return err_set(e, ERR_INVALID, "an attempt is given as [job, attempt]");
	out->job = json_integer_value(job);
	out->attempt = (int)json_integer_value(attempt);
	return 0;
}

int feed_decode_attempts(const json_t *o, const char *key, struct arena *a, struct attempt_id **out,
			 size_t *n, bool *is_there, struct err *e)
{
	const json_t *list;
	*n = 0;
	*is_there = false;
	if (json_get_array(o, key, &list, e))
		return -1;
	if (!list)
		return 0;
	*is_there = true;
	size_t len = json_array_size(list);
	*out = arena_array(a, len ? len : 1, sizeof **out);
	if (!*out)
		return err_set(e, ERR_NOMEM, "no memory for %zu attempts", len);
	for (; *n < len; ++*n)
		if (decode_pair(json_array_get(list, *n), &(*out)[*n], e))
			return -1;
	return 0;
}

/* What a result names must be here, whole; else the attempt has failed to bring what it produced. */
static void check_artifacts(struct server *s, struct arena *a, struct outcome *o)
{
	for (size_t i = 0; i < o->artifacts_len; i++) {
		int64_t size;
		if (blob_exists(s->store, o->artifacts[i].sha256, &size) &&
		    size == o->artifacts[i].size_bytes)
			continue;
		o->outcome = OUTCOME_FAILED;
		o->reason = REASON_COLLECT;
		o->detail = arena_printf(a, "the artifact %s did not arrive", o->artifacts[i].name);
		o->artifacts_len = 0;
		return;
	}
}

static int decode_results(struct lease_call *c, const json_t *body, struct err *e)
{
	const json_t *list;
	struct arena *a = c->ask->arena;
	if (json_get_array(body, "results", &list, e))
		return -1;
	c->results_len = list ? json_array_size(list) : 0;
	c->results = arena_array(a, c->results_len ? c->results_len : 1, sizeof *c->results);
	if (!c->results)
		return err_set(e, ERR_NOMEM, "no memory for %zu results", c->results_len);
	for (size_t i = 0; i < c->results_len; i++) {
		if (outcome_decode(json_array_get(list, i), a, &c->results[i].outcome, e))
			return err_wrap(e, "result %zu", i + 1);
		struct outcome *o = &c->results[i].outcome;
		/* The machine failed, not the job: it is tried again, and counts on both. */
		if (o->outcome == OUTCOME_FAILED && o->reason == REASON_INTERNAL)
			o->outcome = OUTCOME_LOST;
		/* A log that is here whole is as long as it is. */
		o->log_bytes = o->log ? (int64_t)o->log_len : o->log_bytes;
		check_artifacts(c->server, a, o);
	}
	return 0;
}

/* {"reason":"…","attempts":[[7,1]]} */
static int decode_unclean(struct lease_call *c, const json_t *body, struct err *e)
{
	const json_t *o = json_object_get(body, "unclean");
	bool is_there;
	c->unclean = "";
	if (!o)
		return 0;
	if (json_get_str(o, "reason", "", &c->unclean, e) ||
	    feed_decode_attempts(o, "attempts", c->ask->arena, &c->stuck, &c->stuck_len, &is_there, e))
		return err_wrap(e, "unclean");
	return c->unclean[0] ? 0 : err_set(e, ERR_INVALID, "unclean: a reason is missing");
}

/* Long waits end together, at whole seconds: ending one costs a look at each that is parked, here and in libmicrohttpd, and
 * what those who waited ask next is one transaction. */
static int64_t park_until(int64_t now_ms, int64_t wait_ms)
{
	int64_t until_ms = now_ms + (wait_ms < PARK_MS_MAX ? wait_ms : PARK_MS_MAX);
	return wait_ms < PARK_GRAIN_MS ? until_ms
				       : (until_ms + PARK_GRAIN_MS - 1) / PARK_GRAIN_MS * PARK_GRAIN_MS;
}

static int decode_call(struct lease_call *c, struct err *e)
{
	static const char *const fields[] = { "free",	 "wait_ms", "results", "holding",
					      "dropped", "unclean", "status",  NULL };
	bool is_there;
	const json_t *body = ask_body(c->ask, fields, e);
	int64_t n, wait_ms;
	if (!body || json_get_int(body, "free", 0, 1 << 20, 0, &n, e) ||
	    json_get_int(body, "wait_ms", 0, INT64_MAX, 0, &wait_ms, e) || decode_results(c, body, e) ||
	    feed_decode_attempts(body, "holding", c->ask->arena, &c->holding, &c->holding_len,
				 &c->has_holding, e) ||
	    feed_decode_attempts(body, "dropped", c->ask->arena, &c->dropped, &c->dropped_len, &is_there,
				 e) ||
	    decode_unclean(c, body, e) || feed_decode_status(body, c->ask->arena, &c->status, e))
		return -1;
	c->asked = n;
	c->free = n < LEASE_JOBS_MAX ? (int)n : LEASE_JOBS_MAX;
	c->since_ms = clock_boot_ms();
	c->until_ms = park_until(c->since_ms, wait_ms);
	return 0;
}

/* --- in the store --- */

static int refresh_lanes(struct server *s, struct tx *tx, struct err *e)
{
	struct lane_cache fresh = { .is_fresh = true };
	pthread_mutex_lock(&s->lock);
	bool is_fresh = s->lanes.is_fresh;
	pthread_mutex_unlock(&s->lock);
	/* Other servers add lanes too. */
	if (is_fresh && !store_is_shared(s->store))
		return 0;
	int rc = lanes_list(tx, &fresh.arena, &fresh.lanes, &fresh.len, e);
	if (rc < 0) {
		arena_release(&fresh.arena);
		return -1;
	}
	/* hub.c looks at it on other threads. */
	pthread_mutex_lock(&s->lock);
	arena_release(&s->lanes.arena);
	s->lanes = fresh;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int take(struct lease_call *c, struct tx *tx, struct err *e)
{
	struct server *s = c->server;
	if (refresh_lanes(s, tx, e))
		return -1;
	int64_t *ids = arena_array(&c->arena, s->lanes.len + 1, sizeof *ids);
	if (!ids)
		return err_set(e, ERR_NOMEM, "no memory for lanes");
	size_t ids_len = 0;
	for (size_t i = 0; i < s->lanes.len; i++)
		if (lane_match(&s->lanes.lanes[i], &c->worker) == LANE_FITS)
			ids[ids_len++] = s->lanes.lanes[i].id;
	if (ids_len == 0)
		return 0;
	struct job *jobs;
	size_t n;
	if (jobs_take(tx, ids, ids_len, c->free, &c->worker, tx_now_ms(tx) + s->lease_ms, &c->arena, &jobs,
		      &n, e))
		return -1;
	c->granted = arena_array(&c->arena, n ? n : 1, sizeof *c->granted);
	if (!c->granted)
		return err_set(e, ERR_NOMEM, "no memory for %zu jobs", n);
	for (size_t i = 0; i < n; i++) {
		c->granted[i].job = jobs[i];
		if (job_facts_load(tx, &c->arena, &c->granted[i], e))
			return -1;
	}
	c->granted_len = n;
	return 0;
}

/* A session from before this server's start, or of a worker that was with another one. It is made known within the task, so that a cancel which is committed
 * together with it finds what it holds. */
static int adopt(struct lease_call *c, struct tx *tx, struct err *e)
{
	struct server *s = c->server;
	struct job *held;
	size_t n;
	/* Nobody was online while there was no server. */
	if (workers_beat(tx, c->worker.id, e) || jobs_held(tx, c->worker.id, &c->arena, &held, &n, e))
		return -1;
	c->worker.is_online = true;
	c->worker.server = store_server_id(s->store);
	c->is_adopted = true;
	pthread_mutex_lock(&s->lock);
	struct session *known = hub_session_find(s, c->ask->worker, c->ask->session);
	if (known && known->call == c)
		known->call = NULL; /* it is not to give way to itself */
	struct session *session = hub_session_set(s, c->ask->worker, c->ask->session, c->worker.id);
	for (size_t i = 0; session && i < n; i++)
		hub_held_add(s, session, &held[i]);
	if (session)
		session->call = c;
	pthread_mutex_unlock(&s->lock);
	return session ? 0 : err_set(e, ERR_NOMEM, "no memory for a session");
}

static int note_status(struct lease_call *c, struct tx *tx, struct err *e)
{
	if (!c->status[0] || c->is_recorded)
		return 0;
	c->worker.is_disk_low = worker_status_is_low(c->status);
	return c->is_status_due ? workers_set_status(tx, c->worker.id, c->status, e) : 0;
}

static int lease_run(struct tx *tx, struct store_task *t, struct err *e)
{
	struct lease_call *c = container_of(t, struct lease_call, task);
	struct server *s = c->server;
	arena_release(&c->arena);
	c->granted_len = 0;
	c->waited_ms = clock_boot_ms() - c->since_ms;
	c->is_greedy = false;
	if (workers_find_session(tx, c->ask->worker, c->ask->session, &c->arena, &c->worker, e))
		return -1;
	if (note_status(c, tx, e))
		return -1;
	bool is_elsewhere = c->worker.server != store_server_id(s->store);
	pthread_mutex_lock(&s->lock);
	/* It was here and has gone to another server, which gives it work now: this call has nobody to answer to. */
	c->is_superseded = c->is_superseded || (is_elsewhere && c->is_recorded);
	bool is_known = hub_session_find(s, c->ask->worker, c->ask->session) &&
			(!is_elsewhere || c->is_recorded);
	bool may_take = c->free > 0 && !s->is_draining && !c->is_superseded;
	pthread_mutex_unlock(&s->lock);
	/* A transaction that is run again writes again what was undone. */
	if (((!is_known || c->is_adopted) && adopt(c, tx, e)) || (!c->is_recorded && lease_record(c, tx, e)))
		return -1;
	return may_take && !c->unclean[0] && !c->is_greedy ? take(c, tx, e) : 0;
}

/* --- after it --- */

/* (locked) */
static void detach(struct lease_call *c)
{
	struct session *n = hub_session_find(c->server, c->ask->worker, c->ask->session);
	if (n && n->call == c)
		n->call = NULL;
	c->is_over = true;
}

/* (locked) NULL: a newer session has taken its place meanwhile. */
static struct session *note_grants(struct lease_call *c)
{
	struct server *s = c->server;
	struct session *n = hub_session_find(s, c->ask->worker, c->ask->session);
	for (size_t i = 0; n && i < c->granted_len; i++)
		hub_held_add(s, n, &c->granted[i].job);
	return n;
}

static void give_back(struct lease_call *c)
{
	struct feed_ends *ends = feed_ends_new(c->server, &c->worker, c->granted_len);
	for (size_t i = 0; ends && i < c->granted_len; i++)
		feed_ends_add(ends, &c->granted[i].job, OUTCOME_RELEASED, REASON_NONE, "its worker had gone");
	if (ends)
		feed_ends_post(ends);
}

static void lease_render(struct http_request *r);

/* (locked) Answer, go round again, or park. True: the caller drops the request. */
static bool lease_next(struct lease_call *c)
{
	struct server *s = c->server;
	struct session *n = note_grants(c);
	/* Gone round once more by itself: the place was given up. */
	if (n && !n->call && !c->is_superseded)
		n->call = c;
	bool is_gone = http_is_gone(c->ask->req);
	bool has_answer = c->granted_len || c->results_len || !n || n->cancels || c->is_superseded ||
			  s->is_draining || is_gone || clock_boot_ms() >= c->until_ms;
	c->is_recorded = true;
	if (has_answer) {
		detach(c);
		if (is_gone)
			give_back(c);
		http_continue(c->ask->req, lease_render);
		return true;
	}
	if (c->is_wanted) {
		lease_again(c);
		return false;
	}
	hub_park(s, c);
	http_watch(c->ask->req);
	tick_park_at(s, c->until_ms);
	return false;
}

static void lease_done(struct store_task *t)
{
	struct lease_call *c = container_of(t, struct lease_call, task);
	struct server *s = c->server;
	struct http_request *req = c->ask->req;
	bool is_dropped = true;
	c->is_adopted = false;
	pthread_mutex_lock(&s->lock);
	if (t->rc) {
		s->lanes.is_fresh = false;
		detach(c);
		ask_fail(c->ask, &t->err);
	} else {
		is_dropped = lease_next(c);
	}
	pthread_mutex_unlock(&s->lock);
	if (is_dropped)
		http_drop(req);
}

void lease_again(struct lease_call *c)
{
	if (c->is_parked)
		hub_unpark(c->server, c);
	c->is_wanted = false;
	c->task = (struct store_task){ .run = lease_run, .done = lease_done };
	store_write(c->server->store, &c->task);
}

void lease_answer_empty(struct lease_call *c)
{
	hub_unpark(c->server, c);
	detach(c);
	http_continue(c->ask->req, lease_render);
	http_drop(c->ask->req);
}

/* The connection has done with the request: if it was parked, its client has gone. */
static void lease_end(struct ask *a)
{
	struct lease_call *c = a->data;
	pthread_mutex_lock(&c->server->lock);
	bool was_parked = c->is_parked;
	if (was_parked) {
		hub_unpark(c->server, c);
		detach(c);
	}
	pthread_mutex_unlock(&c->server->lock);
	if (was_parked)
		http_drop(a->req);
}

static void lease_free(struct ask *a)
{
	struct lease_call *c = a->data;
	arena_release(&c->arena);
}

/* --- the answer, on an HTTP thread --- */

static int plan(struct lease_call *c, const struct job_facts *f, struct buf *out, struct err *e)
{
	const struct kind *k = kind_find(f->job.kind);
	struct payload p;
	if (!k)
		return err_set(e, ERR_UNSUPPORTED, "this version does not know the job's kind");
	if (payload_decode(f->job.payload, c->ask->arena, &p, e))
		return err_wrap(e, "payload");
	struct kind_context kc = feed_kind_context(c->server, f, &p);
	struct spec spec;
	memset(&spec, 0, sizeof spec);
	if (k->plan(&kc, c->ask->arena, &spec, e))
		return -1;
	spec_encode(&spec, out);
	return 0;
}

static enum job_reason plan_reason(enum err_code code)
{
	return code == ERR_NOT_FOUND ? REASON_TARGET : code == ERR_INVALID ? REASON_INPUT : REASON_INTERNAL;
}

/* Gives how many specs there are; what has no plan ends as failed. */
static size_t write_specs(struct lease_call *c, struct json_writer *w)
{
	struct feed_ends *ends = NULL;
	size_t specs = 0;
	for (size_t i = 0; i < c->granted_len; i++) {
		struct err e = ERR_INIT;
		size_t before = w->out->len;
		if (specs)
			buf_addc(w->out, ',');
		if (plan(c, &c->granted[i], w->out, &e) == 0) {
			specs++;
			continue;
		}
		w->out->len = before;
		ends = ends ? ends : feed_ends_new(c->server, &c->worker, c->granted_len);
		if (ends)
			feed_ends_add(ends, &c->granted[i].job, OUTCOME_FAILED, plan_reason(e.code), e.text);
	}
	if (ends)
		feed_ends_post(ends);
	return specs;
}

static void write_results(const struct lease_call *c, struct json_writer *w)
{
	jw_key(w, "results");
	jw_begin_array(w);
	for (size_t i = 0; i < c->results_len; i++) {
		const struct lease_result *r = &c->results[i];
		jw_begin_object(w);
		jw_kint(w, "job", r->outcome.job);
		jw_kint(w, "attempt", r->outcome.attempt);
		jw_kbool(w, "ok", r->is_ok);
		if (!r->is_ok)
			jw_kstr(w, "error", r->error);
		jw_end_object(w);
	}
	jw_end_array(w);
}

static void write_cancels(struct lease_call *c, struct json_writer *w)
{
	struct server *s = c->server;
	jw_key(w, "cancels");
	jw_begin_array(w);
	pthread_mutex_lock(&s->lock);
	struct session *n = hub_session_find(s, c->ask->worker, c->ask->session);
	for (struct held *h = n && n->cancels ? n->held : NULL; h; h = h->next) {
		if (!h->is_cancel_asked || h->is_cancel_told)
			continue;
		h->is_cancel_told = true;
		n->cancels--;
		feed_write_attempt(w, h->job, h->attempt);
	}
	pthread_mutex_unlock(&s->lock);
	jw_end_array(w);
}

static void lease_render(struct http_request *r)
{
	struct ask *a = ask_of(r);
	struct lease_call *c = a->data;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_kint(&w, "waited_ms", c->waited_ms);
	jw_key(&w, "specs");
	jw_begin_array(&w);
	size_t specs = write_specs(c, &w);
	bool is_again = c->granted_len && !specs && !c->results_len;
	c->granted_len = 0;
	if (is_again) {
		/* Nothing of what was taken can run: take something else. */
		http_hold(r);
		pthread_mutex_lock(&c->server->lock);
		c->is_over = false;
		lease_again(c);
		pthread_mutex_unlock(&c->server->lock);
		return;
	}
	jw_end_array(&w);
	write_results(c, &w);
	write_cancels(c, &w);
	jw_end_object(&w);
	ask_answer(a, 200);
}

/* --- the route --- */

void feed_lease(struct ask *a)
{
	struct err e = ERR_INIT;
	struct server *s = a->server;
	struct lease_call *c = arena_alloc(a->arena, sizeof *c);
	if (!c) {
		err_set(&e, ERR_NOMEM, "no memory for a lease");
		ask_fail(a, &e);
		return;
	}
	c->ask = a;
	c->server = s;
	if (decode_call(c, &e)) {
		ask_fail(a, &e);
		return;
	}
	a->data = c;
	a->data_end = lease_end;
	a->data_free = lease_free;
	http_hold(a->req);
	pthread_mutex_lock(&s->lock);
	struct session *n = hub_session_find(s, a->worker, a->session);
	c->is_status_due = !n || feed_note_status(n, c->status);
	if (n) {
		struct lease_call *older = n->call;
		n->call = c;
		if (older)
			older->is_superseded = true;
		if (older && older->is_parked)
			lease_answer_empty(older);
	}
	lease_again(c);
	pthread_mutex_unlock(&s->lock);
}
