/* Blobs a spec needs, for a worker that does not see the server's folder of them: fetched once each, checked, and kept
 * (cache.c). A fetch that breaks off goes on where it was, after a restart of this worker too. What lies here from before
 * that restart is read, a piece each turn, before it is used or gone on with. */
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
#include "run/run.h"
#include "worker/worker_priv.h"

enum {
	TRIES_MAX = 5,
	STALL_MS = 60000,
	READ_BYTES = 64 * 1024,
	READS_A_TURN = 32,
};

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
	/* The open file, NULL and -1: none. The hash is of the first `at` bytes. */
	struct hash *hash;
	int fd;
	int64_t at, began_at; /* where the call under way began */
	enum { FETCH_GET, FETCH_READ_PART, FETCH_READ_BLOB } doing;
	unsigned tries;
	int64_t retry_ms;
};

static void close_file(struct fetch *f)
{
	client_cancel(f->call);
	f->call = NULL;
	hash_free(f->hash);
	f->hash = NULL;
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	f->at = 0;
}

static void fetch_free(struct fetch *f)
{
	struct fetch **at = &f->worker->fetches;

	while (*at && *at != f)
		at = &(*at)->next;
	if (*at)
		*at = f->next;
	close_file(f);
	while (f->waiters) {
		struct fetch_waiter *next = f->waiters->next;

		free(f->waiters);
		f->waiters = next;
	}
	free(f);
}

static void fetch_failed(struct fetch *f, enum job_reason reason, const struct err *why)
{
	/* Without room it is nobody's fault, and no more work is asked for. */
	bool is_full = f->worker->disk.is_low;

	log_err(why, "fetch blob %s", f->sha256);
	for (struct fetch_waiter *i = f->waiters; i; i = i->next) {
		struct held *h = i->held;

		i->held = NULL;
		if (h && is_full)
			held_end(h, OUTCOME_RELEASED, REASON_NONE, "no room on the worker's disk");
		else if (h)
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

/* ---- the file ----------------------------------------------------------------------------------------------- */

static int open_file(struct fetch *f, const char *suffix, int flags, struct err *e)
{
	CLEAN_FREE char *path = cache_path(f->worker, f->sha256, suffix);

	close_file(f);
	f->hash = hash_new();
	if (!path || !f->hash)
		return err_set(e, ERR_NOMEM, "out of memory");
	f->fd = open(path, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	return f->fd < 0 ? err_sys(e, "open %s", path) : 0;
}

static int open_part(struct fetch *f, bool is_new, struct err *e)
{
	struct stat st;

	if (open_file(f, ".part", O_RDWR | O_CREAT | (is_new ? O_TRUNC : 0), e) < 0)
		return -1;
	if (fstat(f->fd, &st) < 0)
		return err_sys(e, "look at what is here of it");
	f->doing = st.st_size ? FETCH_READ_PART : FETCH_GET;
	return 0;
}

/* What is here of it: all, to be checked; a part; nothing. */
static int begin(struct fetch *f, struct err *e)
{
	if (cache_look(f->worker, f->sha256) == CACHE_UNCHECKED && open_file(f, "", O_RDONLY, NULL) == 0) {
		f->doing = FETCH_READ_BLOB;
		return 0;
	}
	return open_part(f, false, e);
}

/* Gives up the hash. */
static int check_hash(struct fetch *f, struct err *e)
{
	char hex[HASH_HEX_BYTES];

	hash_finish(f->hash, hex);
	f->hash = NULL;
	return strcmp(hex, f->sha256) == 0 ? 0 : err_set(e, ERR_CORRUPT, "its bytes have the hash %s", hex);
}

/* Under its name only when it is what was asked for, and whole. */
static int store(struct fetch *f, struct err *e)
{
	CLEAN_FREE char *part = cache_path(f->worker, f->sha256, ".part");
	CLEAN_FREE char *path = cache_path(f->worker, f->sha256, "");

	if (check_hash(f, e) < 0)
		return -1;
	if (!path || !part)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (fchmod(f->fd, 0444) < 0 || rename(part, path) < 0)
		return err_sys(e, "keep it as %s", path);
	cache_stored(f->worker, f->sha256);
	return 0;
}

/* ---- from the server ---------------------------------------------------------------------------------------- */

static void retry_later(struct fetch *f)
{
	f->retry_ms = clock_boot_ms() + worker_backoff_ms(++f->tries);
	worker_wake_at(f->worker, f->retry_ms);
}

/* What is here of it is no beginning of it. */
static void start_over(struct fetch *f, const struct err *why)
{
	struct err e = ERR_INIT;

	if (open_part(f, true, &e) < 0)
		fetch_failed(f, REASON_INTERNAL, &e);
	else if (f->tries + 1 >= TRIES_MAX)
		fetch_failed(f, REASON_INTERNAL, why);
	else
		retry_later(f);
}

/* The line broke, or there is no server: whatever came stays. While the lease is ours that is tried for ever. */
static void on_broken(struct fetch *f)
{
	if (f->at > f->began_at)
		f->tries = 0;
	retry_later(f);
}

static void on_fetched(void *ctx, struct client_reply *r, const struct err *e)
{
	/* Nothing is after what is here: it is all of it, and only the end of that call was lost. */
	enum { NOTHING_MORE = 416 };
	struct fetch *f = ctx;
	struct err own = ERR_INIT;

	f->call = NULL;
	if (!e || (r->status == NOTHING_MORE && f->at)) {
		if (store(f, &own) == 0) {
			fetch_done(f);
			return;
		}
		e = &own;
	}
	if (e->code == ERR_NOT_FOUND)
		fetch_failed(f, REASON_INPUT, e);
	else if (e->code == ERR_UNREACHABLE)
		on_broken(f);
	else if (f->hash && e->code != ERR_UNSUPPORTED && f->tries + 1 < TRIES_MAX)
		retry_later(f);
	else
		start_over(f, e);
}

static int on_bytes(void *ctx, const void *bytes, size_t n, struct err *e)
{
	struct fetch *f = ctx;

	if (fd_write_all(f->fd, bytes, n, e) < 0) {
		/* Some of them may be there. */
		if (ftruncate(f->fd, f->at) < 0 || lseek(f->fd, f->at, SEEK_SET) < 0)
			err_sys(e, "take back what was written");
		return -1;
	}
	hash_add(f->hash, bytes, n);
	f->at += (int64_t)n;
	return 0;
}

static int get(struct fetch *f, struct err *e)
{
	struct buf path = BUF_INIT;
	struct client_request q = { .method = "GET",
				    .sink = on_bytes,
				    .sink_ctx = f,
				    .from_bytes = f->at,
				    .is_resumed_by_caller = true,
				    .stall_ms = STALL_MS };
	int rc;

	buf_addf(&path, "/feed/blob/%s", f->sha256);
	q.path = path.data;
	f->began_at = f->at;
	rc = client_start(f->worker->client, &q, on_fetched, f, &f->call, e);
	buf_release(&path);
	return rc;
}

/* ---- what is here already ----------------------------------------------------------------------------------- */

/* 1: there is more to read; 0: that was all. */
static int read_some(struct fetch *f, struct err *e)
{
	char room[READ_BYTES];

	for (int i = 0; i < READS_A_TURN; i++) {
		ssize_t n = read(f->fd, room, sizeof(room));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read what is here of it");
		if (n == 0)
			return 0;
		hash_add(f->hash, room, (size_t)n);
		f->at += n;
	}
	return 1;
}

/* True: the fetch is over, and gone. */
static bool blob_was_read(struct fetch *f, struct err *e)
{
	if (check_hash(f, e) == 0) {
		cache_stored(f->worker, f->sha256);
		fetch_done(f);
		return true;
	}
	log_err(e, "blob %s in the cache is damaged; it is fetched again", f->sha256);
	cache_remove(f->worker, f->sha256);
	*e = ERR_INIT;
	return false;
}

static void turn(struct fetch *f)
{
	struct err e = ERR_INIT;
	int rc = f->hash ? 0 : begin(f, &e);

	if (rc == 0 && f->doing != FETCH_GET) {
		rc = read_some(f, &e);
		if (rc > 0) {
			worker_wake_at(f->worker, clock_boot_ms());
			return;
		}
		if (rc == 0 && f->doing == FETCH_READ_BLOB) {
			if (blob_was_read(f, &e))
				return;
			rc = open_part(f, true, &e);
		}
		f->doing = FETCH_GET;
	}
	if (rc < 0 || get(f, &e) < 0)
		fetch_failed(f, REASON_INTERNAL, &e);
}

/* ---- who needs what ----------------------------------------------------------------------------------------- */

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

static int wait_for(struct held *h, const char *sha256)
{
	struct worker_loop *w = h->worker;
	struct fetch_waiter *waiter = calloc(1, sizeof(*waiter));
	struct fetch *f = waiter ? fetch_get(w, sha256) : NULL;

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

/* Every blob the attempt needs, the image last; an unpacked image needs none. */
static const char *needed(const struct held *h, size_t i)
{
	if (i < h->spec.inputs_len)
		return h->spec.inputs[i].sha256;
	return i == h->spec.inputs_len && h->spec.image[0] && !h->has_image ? h->spec.image : NULL;
}

void fetch_begin(struct held *h)
{
	struct worker_loop *w = h->worker;
	bool is_short = false;
	const char *sha256;

	h->has_image = h->spec.image[0] && run_image_hold(w->run, h->spec.image);
	for (size_t i = 0; (sha256 = needed(h, i)); i++)
		if (!hash_is_hex(sha256)) {
			held_end(h, OUTCOME_FAILED, REASON_INPUT, "an input has no usable address");
			return;
		}
	for (size_t i = 0; (sha256 = needed(h, i)) && !is_short; i++)
		is_short = cache_pin(w, sha256) < 0;
	h->is_pinned = !is_short;
	for (size_t i = 0; (sha256 = needed(h, i)) && !is_short; i++)
		if (cache_look(w, sha256) != CACHE_CHECKED)
			is_short = wait_for(h, sha256) < 0;
	if (is_short)
		held_end(h, OUTCOME_FAILED, REASON_INTERNAL, "out of memory");
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
			turn(f);
		else
			worker_wake_at(w, f->retry_ms);
	}
}

void fetch_unpin(struct held *h)
{
	const char *sha256;

	for (size_t i = 0; h->is_pinned && (sha256 = needed(h, i)); i++)
		cache_unpin(h->worker, sha256);
	h->is_pinned = false;
	if (h->has_image && h->worker->run)
		run_image_release(h->worker->run, h->spec.image);
	h->has_image = false;
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
