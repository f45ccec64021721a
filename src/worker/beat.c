/* Beats: the leases of everything that is held are renewed, whatever else goes on. */
#include "base/clock.h"
#include "base/log.h"
#include "text/json.h"
#include "worker/worker_priv.h"

static void lose(struct worker_loop *w, int64_t job, int attempt)
{
	struct held *h = held_find(w, job, attempt);

	/* One whose result is under way learns it from the answer to that. */
	if (!h || h->stage == HELD_SENT)
		return;
	log_line(LOG_LEVEL_WARN, "job %lld, attempt %d: the lease is lost", (long long)job, attempt);
	held_drop(h);
}

/* The time of sending is kept in the call, for two beats are never under way at once. */
static void on_beat(void *ctx, struct client_reply *r, const struct err *e)
{
	struct worker_loop *w = ctx;
	struct err own = ERR_INIT;
	CLEAN_JSON json_t *json = NULL;
	int64_t sent_ms = w->beat_sent_ms;

	w->is_beating = false;
	if (!e && !(json = json_parse("answer to beat", r->body.data, r->body.len, &own)))
		e = &own;
	if (e && session_is_over(e)) {
		session_lost(w, e);
		return;
	}
	if (worker_is_refused(w, sent_ms, e)) {
		w->beat_due_ms = clock_boot_ms() + w->beat_ms / 4;
		return;
	}
	if (e) {
		worker_lost_contact(w, sent_ms, e);
		w->beat_due_ms = clock_boot_ms() + w->beat_ms / 4;
		return;
	}
	worker_has_contact(w);
	session_renewed(w, sent_ms);
	held_walk(w, json_object_get(json, "cancels"), held_cancel);
	held_walk(w, json_object_get(json, "releases"), held_release);
	held_walk(w, json_object_get(json, "stale"), lose);
}

static bool is_collecting(const struct held *h)
{
	return h->is_collecting;
}

static bool is_not_collecting(const struct held *h)
{
	return !h->is_collecting;
}

static bool is_queued(const struct held *h)
{
	return h->stage == HELD_QUEUED;
}

static void write_beat(struct worker_loop *w, struct buf *out)
{
	struct json_writer jw;

	jw_init(&jw, out);
	jw_begin_object(&jw);
	jw_key(&jw, "running");
	held_write(w, is_not_collecting, &jw);
	jw_key(&jw, "collecting");
	held_write(w, is_collecting, &jw);
	if (w->held[HELD_QUEUED].count) {
		jw_key(&jw, "queued");
		held_write(w, is_queued, &jw);
	}
	status_write(w, &jw);
	jw_end_object(&jw);
}

void beat_turn(struct worker_loop *w)
{
	int64_t now = clock_boot_ms(), timeout_ms;
	struct buf json = BUF_INIT;

	if (!w->is_registered || w->is_beating || !held_count(w) || w->given_up_len)
		return;
	/* What came with the answer to a call that had waited long is renewed early. */
	if (w->keep_until_ms - now < w->lease_ms / 3 && w->beat_due_ms > now &&
	    w->beat_sent_ms + w->beat_ms / 4 < now)
		w->beat_due_ms = now;
	if (now < w->beat_due_ms) {
		worker_wake_at(w, w->beat_due_ms);
		return;
	}
	w->beat_sent_ms = now;
	w->beat_due_ms = now + w->beat_ms;
	write_beat(w, &json);
	/* A server that hangs must not use up the time in which another one could be asked. */
	timeout_ms = client_servers(w->client) > 1 ? w->beat_ms : w->lease_ms;
	if (worker_post(w, "/feed/beat", &json, timeout_ms, on_beat, w, NULL) == 0)
		w->is_beating = true;
	buf_release(&json);
}
