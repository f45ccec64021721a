/* Blobs a spec needs, for a worker that does not see the server's folder of them: fetched once each, checked, and kept. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/log.h"
#include "worker/worker_priv.h"

enum { TRIES_MAX = 5 };

/* Attempts that wait for the blob. */
struct fetch_waiter {
	struct held *held; /* NULL: it is gone */
	struct fetch_waiter *next;
};

struct fetch {
	struct worker_loop *worker;
	struct fetch *next;
	char sha256[HASH_HEX_BYTES];
	struct fetch_waiter *waiters;
	struct client_job *call;
	struct hash *hash;
	int fd;
	char *part; /* the file while it is incomplete */
	unsigned tries;
	int64_t retry_ms;
};

static char *blob_path(const struct worker_loop *w, const char *sha256, const char *suffix)
{
	struct buf path = BUF_INIT;

	buf_addf(&path, "%s/%s%s", w->blob_dir, sha256, suffix);
	return buf_take(&path);
}

static void attempt_reset(struct fetch *f)
{
	client_cancel(f->call);
	f->call = NULL;
	hash_free(f->hash);
	f->hash = NULL;
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	if (f->part)
		unlink(f->part);
	free(f->part);
	f->part = NULL;
}

static void fetch_free(struct fetch *f)
{
	struct fetch **at = &f->worker->fetches;

	while (*at && *at != f)
		at = &(*at)->next;
	if (*at)
		*at = f->next;
	attempt_reset(f);
	while (f->waiters) {
		struct fetch_waiter *next = f->waiters->next;

		free(f->waiters);
		f->waiters = next;
	}
	free(f);
}

static void fetch_failed(struct fetch *f, enum job_reason reason, const struct err *why)
{
	log_err(why, "fetch blob %s", f->sha256);
	for (struct fetch_waiter *i = f->waiters; i; i = i->next) {
		struct held *h = i->held;

		i->held = NULL;
		if (h)
			held_end(h, OUTCOME_FAILED, reason, why->text);
	}
	fetch_free(f);
}

static void fetch_done(struct fetch *f)
{
	for (struct fetch_waiter *i = f->waiters; i; i = i->next)
		if (i->held)
			i->held->blobs_missing--;
	fetch_free(f);
}

/* Under its name only when it is what was asked for, and whole. */
static int store(struct fetch *f, struct err *e)
{
	char hex[HASH_HEX_BYTES];
	CLEAN_FREE char *path = blob_path(f->worker, f->sha256, "");

	hash_finish(f->hash, hex);
	f->hash = NULL;
	if (strcmp(hex, f->sha256) != 0)
		return err_set(e, ERR_CORRUPT, "its bytes have the hash %s", hex);
	if (!path)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (fchmod(f->fd, 0444) < 0 || rename(f->part, path) < 0)
		return err_sys(e, "keep it as %s", path);
	free(f->part);
	f->part = NULL;
	return 0;
}

static void on_fetched(void *ctx, struct client_reply *r, const struct err *e)
{
	struct fetch *f = ctx;
	struct err own = ERR_INIT;

	f->call = NULL;
	if (!e && store(f, &own) == 0) {
		fetch_done(f);
		return;
	}
	if (!e)
		e = &own;
	attempt_reset(f);
	if (e->code == ERR_NOT_FOUND) {
		fetch_failed(f, REASON_INPUT, e);
	} else if (++f->tries >= TRIES_MAX) {
		fetch_failed(f, REASON_INTERNAL, e);
	} else {
		f->retry_ms = clock_boot_ms() + worker_backoff_ms(f->tries);
		worker_wake_at(f->worker, f->retry_ms);
	}
}

static int on_bytes(void *ctx, const void *bytes, size_t n, struct err *e)
{
	struct fetch *f = ctx;

	hash_add(f->hash, bytes, n);
	return fd_write_all(f->fd, bytes, n, e);
}

static int attempt_start(struct fetch *f, struct err *e)
{
	struct buf path = BUF_INIT;
	struct client_request q = { .method = "GET", .sink = on_bytes, .sink_ctx = f };
	int rc;

	f->part = blob_path(f->worker, f->sha256, ".part");
	f->hash = hash_new();
	if (!f->part || !f->hash)
		return err_set(e, ERR_NOMEM, "out of memory");
	f->fd = open(f->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return err_sys(e, "open %s", f->part);
	buf_addf(&path, "/feed/blob/%s", f->sha256);
	q.path = path.data;
	rc = client_start(f->worker->client, &q, on_fetched, f, &f->call, e);
	buf_release(&path);
	return rc;
}

static void try_start(struct fetch *f)
{
	struct err e = ERR_INIT;

	if (attempt_start(f, &e) < 0)
		fetch_failed(f, REASON_INTERNAL, &e);
}

static struct fetch *fetch_get(struct worker_loop *w, const char *sha256)
{
	struct fetch *f;

	for (f = w->fetches; f; f = f->next)
		if (strcmp(f->sha256, sha256) == 0)
			return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->worker = w;
	f->fd = -1;
	snprintf(f->sha256, sizeof(f->sha256), "%s", sha256);
	f->next = w->fetches;
	w->fetches = f;
	return f;
}

/* 1: there already; 0: it will come; -1: no memory. */
static int need(struct held *h, const char *sha256)
{
	struct worker_loop *w = h->worker;
	CLEAN_FREE char *path = blob_path(w, sha256, "");
	struct fetch_waiter *waiter;
	struct fetch *f;

	if (!path || !hash_is_hex(sha256))
		return -1;
	if (access(path, R_OK) == 0)
		return 1;
	waiter = calloc(1, sizeof(*waiter));
	f = waiter ? fetch_get(w, sha256) : NULL;
	if (!f) {
		free(waiter);
		return -1;
	}
	waiter->held = h;
	waiter->next = f->waiters;
	f->waiters = waiter;
	h->blobs_missing++;
	worker_wake_at(w, clock_boot_ms());
	return 0;
}

void fetch_begin(struct held *h)
{
	bool is_short = h->spec.image[0] && need(h, h->spec.image) < 0;

	for (size_t i = 0; i < h->spec.inputs_len && !is_short; i++)
		is_short = need(h, h->spec.inputs[i].sha256) < 0;
	if (is_short)
		held_end(h, OUTCOME_FAILED, REASON_INPUT, "an input has no usable address");
}

void fetch_turn(struct worker_loop *w)
{
	struct fetch *next;
	int64_t now = clock_boot_ms();

	for (struct fetch *f = w->fetches; f; f = next) {
		next = f->next;
		if (f->call)
			continue;
		if (now >= f->retry_ms)
			try_start(f);
		else
			worker_wake_at(w, f->retry_ms);
	}
}

void fetch_forget(struct held *h)
{
	if (!h->blobs_missing)
		return;
	h->blobs_missing = 0;
	for (struct fetch *f = h->worker->fetches; f; f = f->next)
		for (struct fetch_waiter *i = f->waiters; i; i = i->next)
			if (i->held == h)
				i->held = NULL;
}

void fetch_release(struct worker_loop *w)
{
	while (w->fetches)
		fetch_free(w->fetches);
}
