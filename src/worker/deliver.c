/* What an attempt leaves for the server besides its outcome: the log while it grows, and artifacts at the end.
 *
 * A worker on the server's machine writes logs where the server reads them and only tells how far it has got. Another one
 * uploads what is new, at its offset: a repeat is a no-op there, and a gap is answered with the size the server has. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/logfile.h"
#include "text/json.h"
#include "worker/worker_priv.h"

enum {
	CHUNK_BYTES = 1 << 20,
	CHUNK_LEAST_BYTES = 4096,
	TRIES_MAX = 6,
	CALL_TIMEOUT_MS = 60000,
	STALL_MS = 60000
};

/* Outlives its attempt: a call that has been sent is not worth breaking a connection for. */
struct log_call {
	struct log_call *prev, *next;
	struct worker_loop *worker;
	int64_t job;
	int attempt;
	int64_t told; /* the log's size when this call is done */
};

static void deliver_next(struct held *h);

static struct log_call *log_call_new(const struct held *h)
{
	struct worker_loop *w = h->worker;
	struct log_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	*call = (struct log_call){
		.worker = w, .job = h->spec.job, .attempt = h->spec.attempt, .next = w->log_calls
	};
	if (w->log_calls)
		w->log_calls->prev = call;
	w->log_calls = call;
	return call;
}

static void log_call_free(struct log_call *call)
{
	if (call->prev)
		call->prev->next = call->next;
	else
		call->worker->log_calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	free(call);
}

void deliver_release(struct worker_loop *w)
{
	while (w->log_calls)
		log_call_free(w->log_calls);
}

static char *log_path(const struct held *h)
{
	char name[LOG_FILE_NAME_BYTES];
	struct buf path = BUF_INIT;

	buf_addf(&path, "%s/%s", h->worker->log_dir, log_file_name(h->spec.job, h->spec.attempt, name));
	return buf_take(&path);
}

static void retry_later(struct held *h)
{
	h->retry_ms = clock_boot_ms() + worker_backoff_ms((unsigned)++h->tries);
	worker_wake_at(h->worker, h->retry_ms);
}

static void give_up(struct held *h, enum job_reason reason, const struct err *e)
{
	char *detail = arena_printf(&h->arena, "%s", e->text);
	struct outcome *o = &h->outcome;

	log_err(e, "job %" PRId64 ", attempt %d", h->spec.job, h->spec.attempt);
	/* What it was stays, but for success: what it made is not there. */
	o->artifacts = NULL;
	o->artifacts_len = 0;
	if (o->outcome == OUTCOME_SUCCEEDED) {
		o->outcome = OUTCOME_FAILED;
		o->reason = reason;
		o->detail = detail ? detail : "";
	}
	held_report(h);
}

/* The server will not take it, however often it is offered. Another secret is another matter (rotate.c). */
static bool is_refused(const struct client_reply *r, const struct err *e)
{
	return r->status >= 400 && r->status < 500 && e->code != ERR_CREDENTIAL;
}

/* ---- the log ------------------------------------------------------------------------------------------------ */

/* The server has another size than we thought: go on from there. */
static void resume_log(struct held *h, const struct client_reply *r, const struct err *e)
{
	CLEAN_JSON json_t *json = json_parse("answer", r->body.data, r->body.len, NULL);
	const json_t *size = json_object_get(json, "size");

	if (json_is_integer(size) && json_integer_value(size) >= 0 &&
	    json_integer_value(size) <= h->log_size) {
		h->log_told = json_integer_value(size);
		h->tries++;
		return;
	}
	if (h->stage == HELD_DELIVERING)
		give_up(h, REASON_INTERNAL, e);
	else
		h->log_told = h->log_size;
}

/* A call counts as a whole or not at all: on a line that never carries a large one only small ones arrive. */
static int64_t chunk_bytes(const struct worker_loop *w)
{
	return w->log_chunk_bytes ? w->log_chunk_bytes : CHUNK_BYTES;
}

static void note_chunk(struct worker_loop *w, const struct err *e)
{
	int64_t bytes = chunk_bytes(w);

	if (!e && bytes < CHUNK_BYTES)
		w->log_chunk_bytes = bytes * 2;
	else if (e && e->code == ERR_UNREACHABLE && bytes > CHUNK_LEAST_BYTES)
		w->log_chunk_bytes = bytes / 2;
}

static void on_log_told(void *ctx, struct client_reply *r, const struct err *e)
{
	struct log_call call = *(struct log_call *)ctx;
	struct held *h = held_find(call.worker, call.job, call.attempt);

	log_call_free(ctx);
	note_chunk(call.worker, e);
	if (!h)
		return;
	h->is_log_busy = false;
	if (!e) {
		h->log_told = call.told;
		h->tries = 0;
	} else if (e->code == ERR_STALE) {
		/* Of this attempt or of the whole session: the next beat tells. */
		if (h->stage <= HELD_DELIVERING)
			held_drop(h);
		return;
	} else if (e->code == ERR_CONFLICT && h->tries < TRIES_MAX) {
		resume_log(h, r, e);
	} else if (h->worker->is_local) {
		/* Only followers miss something, and the outcome has the size. */
		h->log_told = call.told;
		return;
	} else if (h->stage == HELD_DELIVERING && is_refused(r, e)) {
		give_up(h, REASON_INTERNAL, e);
		return;
	} else {
		retry_later(h);
		return;
	}
	if (h->stage == HELD_DELIVERING)
		deliver_next(h);
	else if (h->stage == HELD_RUNNING)
		deliver_log(h);
}

static int open_log(struct held *h, struct err *e)
{
	CLEAN_FREE char *path = NULL;

	if (h->log_fd >= 0)
		return 0;
	path = log_path(h);
	if (!path)
		return err_set(e, ERR_NOMEM, "out of memory");
	h->log_fd = open(path, O_RDONLY | O_CLOEXEC);
	return h->log_fd < 0 ? err_sys(e, "open the log") : 0;
}

static int send_log(struct held *h, struct log_call *call, struct err *e)
{
	int64_t size = h->log_size - h->log_told;
	struct client_file file = { .offset = h->log_told };
	struct buf path = BUF_INIT;
	struct client_request q = { .method = "POST", .timeout_ms = CALL_TIMEOUT_MS };
	int rc;

	buf_addf(&path, "/feed/log?job=%" PRId64 "&attempt=%d", h->spec.job, h->spec.attempt);
	if (h->worker->is_local) {
		call->told = h->log_size;
		buf_addf(&path, "&size=%" PRId64, h->log_size);
	} else {
		if (open_log(h, e) < 0) {
			buf_release(&path);
			return -1;
		}
		file.fd = h->log_fd;
		file.size_bytes = size > chunk_bytes(h->worker) ? chunk_bytes(h->worker) : size;
		call->told = h->log_told + file.size_bytes;
		q.file = &file;
		buf_addf(&path, "&offset=%" PRId64, h->log_told);
	}
	q.path = path.data;
	rc = client_start(h->worker->client, &q, on_log_told, call, NULL, e);
	buf_release(&path);
	return rc;
}

void deliver_log(struct held *h)
{
	struct log_call *call;
	struct err e = ERR_INIT;

	if (h->is_log_busy || h->log_told >= h->log_size || !h->worker->is_registered)
		return;
	if (clock_boot_ms() < h->retry_ms) {
		worker_wake_at(h->worker, h->retry_ms);
		return;
	}
	call = log_call_new(h);
	if (!call)
		return;
	if (send_log(h, call, &e) == 0) {
		h->is_log_busy = true;
		return;
	}
	log_call_free(call);
	if (h->stage == HELD_DELIVERING) {
		give_up(h, REASON_INTERNAL, &e);
		return;
	}
	log_err(&e, "send the log of job %" PRId64, h->spec.job);
	retry_later(h);
}

/* ---- artifacts ---------------------------------------------------------------------------------------------- */

static void stored(struct held *h)
{
	close(h->fds[h->stored++]);
	h->tries = 0;
	h->put_at = 0;
	h->is_put_unsure = false;
	deliver_next(h);
}

/* How much of it is there is not known now. A line that breaks is no reason to give up while the lease is ours. */
static void put_failed(struct held *h, const struct client_reply *r, const struct err *e)
{
	bool is_broken = e->code == ERR_UNREACHABLE;
	bool is_final = is_refused(r, e) && e->code != ERR_CONFLICT;

	if (e->code == ERR_STALE) {
		held_drop(h);
	} else if (!is_broken && (is_final || h->tries >= TRIES_MAX)) {
		give_up(h, REASON_COLLECT, e);
	} else {
		h->is_put_unsure = true;
		retry_later(h);
	}
}

static void on_stored(void *ctx, struct client_reply *r, const struct err *e)
{
	struct held *h = ctx;

	h->put = NULL;
	if (e)
		put_failed(h, r, e);
	else
		stored(h);
}

static void on_known(void *ctx, struct client_reply *r, const struct err *e)
{
	struct held *h = ctx;
	struct err own = ERR_INIT;
	CLEAN_JSON json_t *json = NULL;
	int64_t size = 0;

	h->put = NULL;
	if (!e && (!(json = json_parse("answer", r->body.data, r->body.len, &own)) ||
		   json_get_int(json, "size", 0, INT64_MAX, 0, &size, &own) < 0))
		e = &own;
	if (e) {
		put_failed(h, r, e);
	} else if (json_is_true(json_object_get(json, "whole"))) {
		stored(h);
	} else {
		if (size > h->put_at)
			h->tries = 0;
		h->put_at = size <= h->outcome.artifacts[h->stored].size_bytes ? size : 0;
		h->is_put_unsure = false;
		deliver_next(h);
	}
}

static void put_artifact(struct held *h)
{
	const struct artifact *a = &h->outcome.artifacts[h->stored];
	struct client_file file = { .fd = h->fds[h->stored],
				    .offset = h->put_at,
				    .size_bytes = a->size_bytes - h->put_at };
	struct buf path = BUF_INIT;
	struct err e = ERR_INIT;
	struct client_request q = {
		.method = "PUT", .file = &file, .is_resumed_by_caller = true, .stall_ms = STALL_MS
	};
	client_done *done = on_stored;

	buf_addf(&path, "/feed/artifact?job=%" PRId64 "&attempt=%d&sha256=%s", h->spec.job, h->spec.attempt,
		 a->sha256);
	if (h->is_put_unsure) {
		q = (struct client_request){ .method = "GET", .timeout_ms = CALL_TIMEOUT_MS };
		done = on_known;
	} else if (h->put_at) {
		buf_addf(&path, "&offset=%" PRId64, h->put_at);
	}
	q.path = path.data;
	if (client_start(h->worker->client, &q, done, h, &h->put, &e) < 0)
		give_up(h, REASON_COLLECT, &e);
	buf_release(&path);
}

/* ---- one after another -------------------------------------------------------------------------------------- */

static void deliver_next(struct held *h)
{
	struct worker_loop *w = h->worker;

	if (h->put || h->is_log_busy || !w->is_registered)
		return;
	if (clock_boot_ms() < h->retry_ms) {
		worker_wake_at(w, h->retry_ms);
		return;
	}
	if (!w->is_local && !h->outcome.log && h->log_told < h->outcome.log_bytes) {
		h->log_size = h->outcome.log_bytes;
		deliver_log(h);
	} else if (h->stored < h->fds_len) {
		put_artifact(h);
	} else {
		held_report(h);
	}
}

void deliver_begin(struct held *h)
{
	h->is_collecting = true;
	h->tries = 0;
	h->retry_ms = 0;
	held_move(h, HELD_DELIVERING);
	deliver_next(h);
}

void deliver_turn(struct worker_loop *w)
{
	struct held *next;

	for (struct held *h = w->held[HELD_DELIVERING].first; h; h = next) {
		next = h->next;
		deliver_next(h);
	}
	for (struct held *h = w->held[HELD_RUNNING].first; h; h = h->next)
		deliver_log(h);
}
