/* A worker's secret is replaced now and then, and by the time it is refused there may be a newer one. */
#include "base/clock.h"
#include "base/log.h"
#include "text/json.h"
#include "worker/worker_priv.h"

enum { TIMEOUT_MS = 20000, AGAIN_MS = 30000, LEAST_MS = 1000, NEWS_MS = 3000 };

static void plan(struct worker_loop *w)
{
	int64_t age_ms = clock_wall_ms() - w->identity->since_ms;

	/* A wall clock that was set back or far ahead must not stop it for ever. */
	if (age_ms < 0 || age_ms > w->options->rotate_ms)
		age_ms = age_ms < 0 ? 0 : w->options->rotate_ms;
	w->rotate_ms = clock_boot_ms() + w->options->rotate_ms - age_ms;
}

static int take_next(struct worker_loop *w, struct err *e)
{
	if (identity_take_next(w->identity, e) < 0)
		return -1;
	plan(w);
	w->secret_ms = clock_boot_ms();
	if (w->rotate_ms < w->secret_ms + LEAST_MS)
		w->rotate_ms = w->secret_ms + LEAST_MS;
	return identity_use(w->identity, w->client, e);
}

static void on_rotated(void *ctx, struct client_reply *r, const struct err *e)
{
	struct worker_loop *w = ctx;
	struct err own = ERR_INIT;

	w->is_rotating = false;
	if (e) {
		/* The secret stays; what was written down is offered again. A refusal is found by what comes next. */
		w->rotate_ms = clock_boot_ms() + AGAIN_MS;
	} else if (take_next(w, &own) < 0) {
		worker_fail(w, &own);
	} else {
		log_line(LOG_LEVEL_INFO, "a new secret is in use");
	}
}

void rotate_now(struct worker_loop *w)
{
	w->rotate_ms = clock_boot_ms();
}

void rotate_turn(struct worker_loop *w)
{
	struct buf json = BUF_INIT;
	struct json_writer jw;
	struct err e = ERR_INIT;
	char hash[HASH_HEX_BYTES];

	if (!w->identity->is_joined || w->is_rotating || !w->is_registered || w->is_stopping)
		return;
	if (!w->rotate_ms)
		plan(w);
	if (clock_boot_ms() < w->rotate_ms) {
		worker_wake_at(w, w->rotate_ms);
		return;
	}
	if (identity_make_next(w->identity, &e) < 0) {
		log_err(&e, "make a new secret");
		w->rotate_ms = clock_boot_ms() + AGAIN_MS;
		return;
	}
	token_hash(w->identity->next, hash);
	jw_init(&jw, &json);
	jw_begin_object(&jw);
	jw_kstr(&jw, "hash", hash);
	jw_end_object(&jw);
	if (worker_post(w, "/feed/rotate", &json, TIMEOUT_MS, on_rotated, w, NULL) == 0)
		w->is_rotating = true;
	else
		w->rotate_ms = clock_boot_ms() + AGAIN_MS;
	buf_release(&json);
}

/* Of several servers one may not have heard yet of a credential that another one gave out: they look once a second. */
static bool may_be_news(struct worker_loop *w)
{
	int64_t now = clock_boot_ms();

	if (client_servers(w->client) < 2)
		return false;
	if (!w->refused_ms)
		w->refused_ms = now;
	return now - w->refused_ms < NEWS_MS;
}

bool worker_is_refused(struct worker_loop *w, int64_t sent_ms, const struct err *e)
{
	struct err own;

	if (!e || e->code != ERR_CREDENTIAL)
		return false;
	own = *e;
	/* It went out with the secret before, and came after a call with this one; or it is to be known soon which of the two
	 * is good. */
	if (w->is_rotating || sent_ms <= w->secret_ms) {
		w->register_ms = clock_boot_ms() + worker_backoff_ms(++w->failures);
		return true;
	}
	/* The new one may be in use already, and only the answer was lost. */
	if (w->identity->next[0]) {
		if (take_next(w, &own) < 0)
			worker_fail(w, &own);
		else
			w->register_ms = clock_boot_ms();
		return true;
	}
	if (may_be_news(w)) {
		client_next(w->client);
		w->register_ms = clock_boot_ms() + worker_backoff_ms(++w->failures);
		return true;
	}
	err_wrap(
		&own,
		"%s does not take worker %s's credential any more, and what it ran is ended; a new join token lets it in again",
		client_server(w->client), w->options->name);
	worker_fail(w, &own);
	return true;
}
