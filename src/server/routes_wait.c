/* Waiting until jobs are final. */
#include "server/routes_priv.h"

#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "server/render.h"
#include "server/server_priv.h"
#include "store/jobs.h"

enum {
	WAIT_IDS_MAX = 10000,
	WAIT_MS_MAX = 60000,
};

struct wait_call;

struct wait_one {
	struct sub sub; /* first */
	struct wait_call *call;
};

struct wait_call {
	struct alarm alarm; /* first */
	struct ask *ask;
	struct wait_one *ones;
	size_t len;
	size_t open; /* jobs that were not final at the last look */
	/* guarded by the server's lock */
	bool is_parked, is_changed;
	size_t open_left; /* of them, not final since then */
};

static int wait_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct wait_call *c = a->data;
	struct json_writer w = ask_writer(a);
	c->open = 0;
	jw_begin_object(&w);
	jw_key(&w, "jobs");
	jw_begin_array(&w);
	for (size_t i = 0; i < c->len; i++) {
		CLEAN_ARENA struct arena row = ARENA_INIT;
		struct job j;
		if (jobs_get(tx, c->ones[i].sub.job, false, &row, &j, e))
			return -1;
		c->open += !state_is_final(j.state);
		jw_begin_object(&w);
		jw_kint(&w, "id", j.id);
		jw_kstr(&w, "state", state_name(j.state));
		jw_kstr(&w, "reason", reason_name(j.reason));
		render_optional(&w, "exit_code", j.exit_code, -1);
		render_optional(&w, "signal", j.signal, 0);
		jw_kint(&w, "attempt", j.attempt);
		jw_end_object(&w);
	}
	jw_end_array(&w);
	jw_kbool(&w, "done", c->open == 0);
	jw_end_object(&w);
	return 0;
}

static void wait_after(struct ask *a)
{
	struct wait_call *c = a->data;
	struct server *s = a->server;
	http_watch(a->req);
	pthread_mutex_lock(&s->lock);
	bool is_over = c->open == 0 || clock_boot_ms() >= c->alarm.at_ms || s->is_draining;
	bool is_again = !is_over && c->is_changed;
	c->is_changed = false;
	c->open_left = c->open;
	c->is_parked = !is_over && !is_again;
	pthread_mutex_unlock(&s->lock);
	if (is_over)
		ask_answer(a, 200);
	else if (is_again)
		ask_read(a, wait_run, wait_after);
}

/* (locked) */
static void wait_again(struct wait_call *c)
{
	c->is_parked = false;
	ask_read(c->ask, wait_run, wait_after);
}

/* The store is asked again when none is left to wait for; one that came back to life meanwhile is found by that
 * look. */
static void wait_change(struct sub *sub, const struct store_change *change)
{
	struct wait_call *c = ((struct wait_one *)(void *)sub)->call;
	if (!state_is_final(change->to))
		return;
	if (!c->is_parked)
		c->is_changed = true;
	else if (c->open_left && --c->open_left == 0)
		wait_again(c);
}

static void wait_alarm(struct alarm *alarm)
{
	struct wait_call *c = (struct wait_call *)(void *)alarm;
	if (c->is_parked)
		wait_again(c);
}

static void wait_end(struct ask *a)
{
	struct wait_call *c = a->data;
	for (size_t i = 0; i < c->len; i++)
		hub_sub_remove(a->server, &c->ones[i].sub);
	hub_alarm_remove(a->server, &c->alarm);
	pthread_mutex_lock(&a->server->lock);
	c->is_parked = false;
	pthread_mutex_unlock(&a->server->lock);
}

static int decode_ids(struct wait_call *c, const char *text, struct err *e)
{
	struct arena *arena = c->ask->arena;
	size_t n = 1;
	for (const char *at = text; *at; at++)
		n += *at == ',';
	if (n > WAIT_IDS_MAX)
		return err_set(e, ERR_TOO_LARGE, "more than %d jobs in one call", WAIT_IDS_MAX);
	c->ones = arena_array(arena, n, sizeof *c->ones);
	if (!c->ones)
		return err_set(e, ERR_NOMEM, "no memory for %zu jobs", n);
	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(text, ",");
		const char *id = arena_strndup(arena, text, len);
		if (!id || parse_int("ids", id, 1, INT64_MAX, &c->ones[i].sub.job, e))
			return -1;
		c->ones[i].call = c;
		c->ones[i].sub.fn = wait_change;
		text += len + (text[len] == ',');
	}
	/* Only now: what is not subscribed must not be taken out. */
	c->len = n;
	return 0;
}

void wait_route(struct ask *a)
{
	struct err e = ERR_INIT;
	struct wait_call *c = arena_alloc(a->arena, sizeof *c);
	if (c)
		c->ask = a;
	if (!c || decode_ids(c, ask_text(a, "ids", ""), &e)) {
		ask_fail(a, &e);
		return;
	}
	int64_t ms = ask_seconds_ms(a, "timeout", WAIT_MS_MAX);
	c->alarm.at_ms = clock_boot_ms() + (ms < WAIT_MS_MAX ? ms : WAIT_MS_MAX);
	c->alarm.fn = wait_alarm;
	a->data = c;
	a->data_end = wait_end;
	for (size_t i = 0; i < c->len; i++)
		hub_sub_add(a->server, &c->ones[i].sub);
	hub_alarm_add(a->server, &c->alarm);
	ask_read(a, wait_run, wait_after);
}
