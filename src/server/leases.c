/* Leases that end. What could not be renewed because this server was stopped, or because its store did not answer, is
 * nobody's failure: all leases get a whole period from when it works again.
 *
 * While there are leases the tick looks at them once a beat. A look that comes much later than it was to, one that the store
 * refused for longer than a beat, beats that it refused, and as long a time without a word from the database (peers.c) each say
 * that this server was out. */
#include "base/clock.h"
#include "base/log.h"
#include "server/peers.h"
#include "server/server_priv.h"
#include "store/jobs.h"

enum {
	LEASES_MAX = 1000,     /* lost in one transaction */
	LATE_MARGIN_MS = 1000, /* a busy machine is not one that was stopped */
};

struct look {
	struct store_task task;
	struct server *server;
	int64_t lease_ms, next_ms;
	bool is_excused;
	struct attempt_view view;
};

static int look_run(struct tx *tx, struct store_task *t, struct err *e)
{
	struct look *k = container_of(t, struct look, task);
	/* The database may have come back while this waited for it. In this order: it is noted before it ends. */
	k->is_excused |= peers_were_out(k->server, server_beat_ms(k->server)) || k->server->leases.was_out;
	if (k->is_excused && jobs_renew_all(tx, tx_now_ms(tx) + k->lease_ms, e))
		return -1;
	return jobs_expire(tx, LEASES_MAX, LEASE_GRACE_MS, &k->view, &k->next_ms, e);
}

static void note_failure(struct server *s, int64_t now_ms)
{
	struct leases *l = &s->leases;
	if (!l->failing_ms)
		l->failing_ms = now_ms;
	if (clock_boot_ms() - l->failing_ms > server_beat_ms(s))
		l->is_excused = true;
}

int leases_look(struct server *s, int64_t planned_ms, int64_t *next_ms)
{
	struct leases *l = &s->leases;
	int64_t now_ms = clock_boot_ms();
	if (now_ms - planned_ms > server_beat_ms(s) + LATE_MARGIN_MS || atomic_exchange(&l->was_out, false))
		l->is_excused = true;
	struct look k = { .task = { .run = look_run },
			  .server = s,
			  .lease_ms = s->lease_ms,
			  .is_excused = l->is_excused,
			  .view = { hub_is_queued, s } };
	if (store_write_wait(s->store, &k.task)) {
		log_err(&k.task.err, "look at the leases");
		note_failure(s, now_ms);
		return -1;
	}
	if (k.is_excused)
		log_line(LOG_LEVEL_INFO,
			 "this server could not hear its workers for a while: all leases begin anew");
	l->is_excused = false;
	l->failing_ms = 0;
	*next_ms = k.next_ms;
	return 0;
}

void leases_note_out(struct server *s)
{
	s->leases.was_out = true;
}

static int renew_run(struct tx *tx, struct store_task *t, struct err *e)
{
	const struct look *k = container_of(t, struct look, task);
	return jobs_renew_all(tx, tx_now_ms(tx) + k->lease_ms, e);
}

int leases_begin(struct server *s, struct err *e)
{
	struct look k = { .task = { .run = renew_run }, .lease_ms = s->lease_ms };
	if (store_write_wait(s->store, &k.task) == 0)
		return 0;
	*e = k.task.err;
	return -1;
}
