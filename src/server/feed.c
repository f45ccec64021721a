/* The feed beside leases: register, beat, leave. */
#include "server/feed.h"

#include <string.h>

#include "base/clock.h"
#include "model/protocol.h"
#include "server/feed_status.h"
#include "store/blobs.h"
#include "store/jobs.h"
#include "store/logs.h"
#include "store/records.h"

void feed_write_attempt(struct json_writer *w, int64_t job, int attempt)
{
	jw_begin_object(w);
	jw_kint(w, "job", job);
	jw_kint(w, "attempt", attempt);
	jw_end_object(w);
}

/* --- register --- */

struct registration {
	struct worker w;
	const char *after; /* the session that this process had before; "" = it is a new one */
	bool is_probe;	   /* it only asks where things are, and has not looked yet what is left of it here */
	bool is_own;	   /* the worker that this server runs itself */
	bool is_released;  /* what it held before ended with the server, not with the worker */
};

/* Tags as lanes keep them: sorted, joined by ",". */
static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *join_tags(const json_t *list, struct arena *a, struct err *e)
{
	size_t n = list ? json_array_size(list) : 0;
	const char **tags = arena_array(a, n + 1, sizeof *tags);
	CLEAN_BUF struct buf joined = BUF_INIT;
	for (size_t i = 0; tags && i < n; i++) {
		tags[i] = json_string_value(json_array_get(list, i));
		if (!tags[i] || !tags[i][0] || strchr(tags[i], ',')) {
			err_set(e, ERR_INVALID, "a tag is a text without commas");
			return NULL;
		}
	}
	if (tags)
		qsort(tags, n, sizeof *tags, compare_text);
	for (size_t i = 0; tags && i < n; i++) {
		buf_adds(&joined, i ? "," : "");
		buf_adds(&joined, tags[i]);
	}
	const char *text = tags && !joined.is_failed ? arena_strdup(a, joined.data) : NULL;
	if (!text)
		err_set(e, ERR_NOMEM, "no memory for tags");
	return text;
}

static int decode_isolations(const json_t *list, unsigned *bits, struct err *e)
{
	size_t i;
	json_t *item;
	*bits = 0;
	json_array_foreach (list, i, item) {
		const char *name = json_string_value(item);
		int isolation = name ? isolation_parse(name) : -1;
		/* A newer worker may offer what this server does not know: it is not asked for it. */
		if (isolation >= 0)
			*bits |= 1U << isolation;
	}
	return 0;
}

static int check_protocol(const struct worker *w, int64_t theirs, struct err *e)
{
	if (theirs >= PROTOCOL - PROTOCOL_APART_MAX && theirs <= PROTOCOL + PROTOCOL_APART_MAX)
		return 0;
	return err_set(
		e, ERR_UNSUPPORTED,
		"worker %s speaks protocol %lld (version %s) and this server protocol %d (version %s): upgrade the %s",
		w->name, (long long)theirs, w->version, PROTOCOL, SLIPWAY_VERSION,
		theirs < PROTOCOL ? "worker" : "server");
}

static int decode_worker(struct ask *a, struct registration *r, struct err *e)
{
	struct worker *w = &r->w;
	int64_t slots, protocol;
	const json_t *isolations, *tags, *demands, *zones;
	const json_t *o = ask_body(a, NULL, e);
	if (!o || json_get_str(o, "name", "", &w->name, e) ||
	    json_get_str(o, "machine", "", &w->machine, e) ||
	    json_get_str(o, "boot_id", "", &w->boot_id, e) ||
	    json_get_str(o, "session", "", &w->session, e) ||
	    json_get_str(o, "version", "", &w->version, e) || json_get_str(o, "after", "", &r->after, e) ||
	    json_get_bool(o, "probe", false, &r->is_probe, e) ||
	    json_get_int(o, "protocol", 1, INT32_MAX, 1, &protocol, e) || check_protocol(w, protocol, e) ||
	    json_get_str(o, "arch", arch_native(), &w->arch, e) ||
	    json_get_int(o, "slots", 0, 100000, 1, &slots, e) ||
	    json_get_array(o, "isolations", &isolations, e) || json_get_array(o, "tags", &tags, e) ||
	    json_get_array(o, "demands", &demands, e) || json_get_array(o, "zones", &zones, e) ||
	    decode_isolations(isolations, &w->isolations, e))
		return -1;
	w->tags = join_tags(tags, a->arena, e);
	w->demands = join_tags(demands, a->arena, e);
	/* Whose credential says it is in some zones is in those; one of this machine says it for itself. */
	w->zones = a->token ? a->zones : join_tags(zones, a->arena, e);
	w->slots = (int)slots;
	w->is_online = true;
	if (!w->tags || !w->demands || !w->zones)
		return -1;
	if (!w->name[0] || strlen(w->name) > 100 || strlen(w->session) < 16 || strlen(w->session) > 128)
		return err_set(e, ERR_INVALID,
			       "a worker has a name of up to 100 bytes and a session of 16 to 128");
	return 0;
}

/* Who comes with its first session takes the name, and what an older process held is taken back. That one then comes with a
 * new session after the one it lost: while the other lives it is refused, or the two would take the name from each other
 * for ever. */
static int check_is_alone(struct ask *a, const struct registration *r, struct tx *tx, struct err *e)
{
	struct worker other;
	bool is_there;
	if (!r->after[0])
		return 0;
	if (workers_find(tx, r->w.name, a->arena, &other, &is_there, e))
		return -1;
	if (!is_there || strcmp(other.session, r->after) == 0 || strcmp(other.session, r->w.session) == 0 ||
	    !hub_is_online(a->server, &other))
		return 0;
	return err_set(
		e, ERR_CONFLICT,
		"another process has come as worker %s, from machine %s, and works: two have one identity (a copied work "
		"folder, or one name), and the one that was there first gives way",
		r->w.name, other.machine);
}

static int register_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct registration *r = a->data;
	int n;
	if (check_is_alone(a, r, tx, e) || workers_register(tx, &r->w, &r->w.id, e) ||
	    workers_set_reach(tx, r->w.id, r->w.zones, r->w.demands, e))
		return -1;
	enum attempt_outcome o = r->is_released ? OUTCOME_RELEASED : OUTCOME_LOST;
	const char *why = r->is_released ? "the server was started again" : "its worker was started again";
	const struct attempt_view view = { hub_is_queued, a->server };
	return jobs_reclaim(tx, r->w.id, r->w.session, o, why, &view, &n, e);
}

static void write_local(struct ask *a, struct json_writer *w)
{
	jw_key(w, "local");
	if (!a->req->peer.is_local) {
		jw_null(w);
		return;
	}
	jw_begin_object(w);
	jw_kstr(w, "blobs", blob_dir(a->server->store));
	jw_kstr(w, "logs", logs_dir(a->server->store));
	jw_end_object(w);
}

static void write_registered(struct ask *a, const struct registration *r)
{
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_kint(&w, "worker", r->w.id);
	jw_kint(&w, "lease_ms", a->server->lease_ms);
	jw_kint(&w, "beat_ms", server_beat_ms(a->server));
	jw_kint(&w, "protocol", PROTOCOL);
	write_local(a, &w);
	jw_end_object(&w);
	ask_answer(a, 200);
}

static void register_answer(struct ask *a)
{
	struct server *s = a->server;
	struct registration *r = a->data;
	pthread_mutex_lock(&s->lock);
	if (r->is_own)
		s->is_own_fresh = false;
	struct session *n = hub_session_set(s, r->w.name, r->w.session, r->w.id);
	pthread_mutex_unlock(&s->lock);
	if (!n) {
		struct err e = ERR_INIT;
		err_set(&e, ERR_NOMEM, "no memory for a session");
		ask_fail(a, &e);
		return;
	}
	write_registered(a, r);
}

void feed_register(struct ask *a)
{
	struct err e = ERR_INIT;
	struct server *s = a->server;
	struct registration *r = arena_alloc(a->arena, sizeof *r);
	if (!r || decode_worker(a, r, &e) || access_check_worker(a, r->w.name, &e)) {
		if (!r)
			err_set(&e, ERR_NOMEM, "no memory for a registration");
		ask_fail(a, &e);
		return;
	}
	pthread_mutex_lock(&s->lock);
	r->is_own = s->own_pid && a->req->peer.is_local && a->req->peer.pid == s->own_pid;
	r->is_released = r->is_own && s->is_own_fresh;
	bool is_taken = s->own_pid && !r->is_own && strcmp(r->w.name, server_name(s)) == 0;
	pthread_mutex_unlock(&s->lock);
	if (is_taken) {
		err_set(&e, ERR_CONFLICT, "%s is the name of the server's own worker: take another (--name)",
			r->w.name);
		ask_fail(a, &e);
		return;
	}
	a->data = r;
	if (r->is_probe)
		write_registered(a, r);
	else
		ask_write(a, register_run, register_answer);
}

/* --- beat --- */

enum { BEAT_STORED_MS = 60000 };

struct beat {
	struct attempt_id *running, *collecting;
	size_t running_len, collecting_len;
	const char *status;
	bool is_status_due;
	struct attempt_id *queued; /* those of `running` that have not begun */
	size_t queued_len;
	struct job *held;
	size_t held_len;
	bool is_disabled; /* a person wants it to run nothing: it is to give back what it has */
};

static bool is_among(const struct attempt_id *list, size_t n, int64_t job, int attempt)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].job == job && list[i].attempt == attempt)
			return true;
	return false;
}

static const struct job *find_held(const struct beat *b, const struct attempt_id *id)
{
	for (size_t i = 0; i < b->held_len; i++)
		if (b->held[i].id == id->job && b->held[i].attempt == id->attempt)
			return &b->held[i];
	return NULL;
}

static int note_collecting(struct beat *b, struct tx *tx, struct err *e)
{
	for (size_t i = 0; i < b->collecting_len; i++) {
		const struct job *j = find_held(b, &b->collecting[i]);
		if (!j || j->state != STATE_RUNNING)
			continue;
		if (jobs_collecting(tx, j->id, j->attempt, e))
			return -1;
	}
	return 0;
}

/* What is given but not heard of yet may still be on its way, over a line that is slow or half open: to take it back then would be to
 * have it run twice. The worker that gives a call up says what it holds, and what is missing is taken back at once; it gives up after
 * its wait of 30 s at most and 30 s more. This is for one that never does. */
enum { UNHEARD_MS = 90 * 1000 };

/* What the worker does not know of, though it had time to hear of it, is lost. */
static int reclaim_unknown(struct ask *a, struct beat *b, struct tx *tx, struct err *e)
{
	for (size_t i = 0; i < b->held_len; i++) {
		const struct job *j = &b->held[i];
		bool was_named = hub_was_named(a->server, j->id, j->attempt);
		int64_t time_ms = was_named ? server_beat_ms(a->server) : UNHEARD_MS;
		if (is_among(b->running, b->running_len, j->id, j->attempt) ||
		    is_among(b->collecting, b->collecting_len, j->id, j->attempt) ||
		    tx_now_ms(tx) - j->started_ms <= time_ms)
			continue;
		struct job_end end = {
			.job = j->id,
			.attempt = j->attempt,
			.outcome = OUTCOME_LOST,
			.reason = REASON_LOST,
			.exit_code = -1,
			.step = "",
			.detail = was_named ? "its worker had it and denies it now: it may still run there"
					    : "its worker does not know of it",
			.is_untrue = was_named,
		};
		enum job_state state;
		bool is_repeat;
		if (jobs_finish(tx, &end, "server", &state, &is_repeat, e))
			return -1;
	}
	return 0;
}

static void write_stale(const struct beat *b, const struct attempt_id *list, size_t n, struct json_writer *w)
{
	for (size_t i = 0; i < n; i++) {
		if (find_held(b, &list[i]))
			continue;
		jw_begin_array(w);
		jw_int(w, list[i].job);
		jw_int(w, list[i].attempt);
		jw_end_array(w);
	}
}

static void write_beat(struct ask *a, const struct beat *b)
{
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_kint(&w, "lease_ms", a->server->lease_ms);
	jw_key(&w, "cancels");
	jw_begin_array(&w);
	for (size_t i = 0; i < b->held_len; i++)
		if (b->held[i].is_cancel_asked)
			feed_write_attempt(&w, b->held[i].id, b->held[i].attempt);
	jw_end_array(&w);
	jw_key(&w, "releases");
	jw_begin_array(&w);
	for (size_t i = 0; b->is_disabled && i < b->held_len; i++)
		feed_write_attempt(&w, b->held[i].id, b->held[i].attempt);
	jw_end_array(&w);
	jw_key(&w, "stale");
	jw_begin_array(&w);
	write_stale(b, b->running, b->running_len, &w);
	write_stale(b, b->collecting, b->collecting_len, &w);
	jw_end_array(&w);
	jw_end_object(&w);
}

static int beat_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct beat *b = a->data;
	struct worker w;
	if (workers_find_session(tx, a->worker, a->session, a->arena, &w, e) || workers_beat(tx, w.id, e) ||
	    (b->is_status_due && workers_set_status(tx, w.id, b->status, e)) ||
	    jobs_renew(tx, w.id, tx_now_ms(tx) + a->server->lease_ms, e) ||
	    jobs_held(tx, w.id, a->arena, &b->held, &b->held_len, e) || note_collecting(b, tx, e))
		return -1;
	/* The worker may have been with another server in between. Here, where grants are noted too, none is missed. */
	if (store_is_shared(a->server->store))
		hub_held_set(a->server, a->worker, a->session, b->held, b->held_len);
	b->is_disabled = w.state == WORKER_DISABLED;
	write_beat(a, b);
	hub_note_beat(a->server, b->running, b->running_len, b->queued, b->queued_len);
	hub_note_beat(a->server, b->collecting, b->collecting_len, NULL, 0);
	return reclaim_unknown(a, b, tx, e);
}

/* A worker has said that it lives, and it could not be written down. */
static void beat_failed(struct ask *a, const struct err *e)
{
	if (e->code == ERR_BUSY || e->code == ERR_UNREACHABLE || e->code == ERR_SYSTEM ||
	    e->code == ERR_UNCERTAIN)
		leases_note_out(a->server);
}

/* A worker with nothing to renew: that it lives is kept in memory, and told to the store now and then. */
static bool is_idle(struct ask *a)
{
	struct server *s = a->server;
	int64_t now_ms = clock_boot_ms();
	pthread_mutex_lock(&s->lock);
	struct session *n = hub_session_find(s, a->worker, a->session);
	bool is_idle = n && !n->held && now_ms - n->stored_ms < BEAT_STORED_MS;
	if (n && !is_idle)
		n->stored_ms = now_ms;
	pthread_mutex_unlock(&s->lock);
	return is_idle;
}

static void note_status(struct ask *a, struct beat *b)
{
	struct server *s = a->server;
	pthread_mutex_lock(&s->lock);
	struct session *n = hub_session_find(s, a->worker, a->session);
	b->is_status_due = b->status[0] && (!n || feed_note_status(n, b->status));
	pthread_mutex_unlock(&s->lock);
}

void feed_beat(struct ask *a)
{
	static const char *const fields[] = { "running", "collecting", "queued", "status", NULL };
	struct err e = ERR_INIT;
	bool is_there;
	struct beat *b = arena_alloc(a->arena, sizeof *b);
	const json_t *body = b ? ask_body(a, fields, &e) : NULL;
	if (!body ||
	    feed_decode_attempts(body, "running", a->arena, &b->running, &b->running_len, &is_there, &e) ||
	    feed_decode_attempts(body, "collecting", a->arena, &b->collecting, &b->collecting_len, &is_there,
				 &e) ||
	    feed_decode_attempts(body, "queued", a->arena, &b->queued, &b->queued_len, &is_there, &e) ||
	    feed_decode_status(body, a->arena, &b->status, &e)) {
		ask_fail(a, &e);
		return;
	}
	a->data = b;
	note_status(a, b);
	a->failed = beat_failed;
	if (b->running_len == 0 && b->collecting_len == 0 && b->queued_len == 0 && is_idle(a)) {
		write_beat(a, b);
		ask_answer(a, 200);
	} else {
		ask_write(a, beat_run, NULL);
	}
}

/* --- leave --- */

static int leave_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct worker w;
	int n;
	if (workers_find_session(tx, a->worker, a->session, a->arena, &w, e) ||
	    jobs_reclaim(tx, w.id, NULL, OUTCOME_RELEASED, "its worker was stopped", NULL, &n, e) ||
	    workers_set_online(tx, w.id, false, e))
		return -1;
	struct json_writer wr = ask_writer(a);
	jw_begin_object(&wr);
	jw_kint(&wr, "released", n);
	jw_end_object(&wr);
	return 0;
}

static void leave_answer(struct ask *a)
{
	struct server *s = a->server;
	pthread_mutex_lock(&s->lock);
	if (hub_session_find(s, a->worker, a->session))
		hub_session_remove(s, a->worker);
	pthread_mutex_unlock(&s->lock);
	ask_answer(a, 200);
}

void feed_leave(struct ask *a)
{
	ask_write(a, leave_run, leave_answer);
}
