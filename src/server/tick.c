/* Duties of time: scheduled jobs that are due, leases that ended, parked calls that have waited long enough. One
 * thread that sleeps until the earliest of them; with nothing planned it sleeps for ever. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "server/server_priv.h"
#include "store/jobs.h"
#include "store/logs.h"

enum {
	TICK_JOBS_MAX = 1000, /* in one transaction */
	TICK_AGAIN_MS = 20,   /* what is due and was not to be had is being done by another server */
	SEAL_MS = 10 * 60 * 1000,
	TICK_RETRY_MS = 1000, /* after an error of the store */
};

typedef int tick_duty_fn(struct tx *tx, int64_t *next_ms, struct err *e);

struct tick_task {
	struct store_task task;
	tick_duty_fn *fn;
	int64_t next_ms;
};

static int due(struct tx *tx, int64_t *next_ms, struct err *e)
{
	return jobs_wake_due(tx, TICK_JOBS_MAX, next_ms, e);
}

/* Of servers that were killed before they had sealed them. */
static int seal(struct tx *tx, int64_t *next_ms, struct err *e)
{
	*next_ms = tx_now_ms(tx) + SEAL_MS + (int64_t)random_below(SEAL_MS / 4);
	return logs_find_unsealed(tx, e);
}

static int tick_run(struct tx *tx, struct store_task *t, struct err *e)
{
	struct tick_task *k = container_of(t, struct tick_task, task);
	return k->fn(tx, &k->next_ms, e);
}

/* On the boot clock, of a time of the store's; 0 stays 0. */
static int64_t boot_time(struct server *s, int64_t next_ms)
{
	if (next_ms == 0)
		return 0;
	int64_t in_ms = next_ms - store_now_ms(s->store);
	int64_t least_ms = store_is_shared(s->store) ? 1 + (int64_t)random_below(TICK_AGAIN_MS) : 0;
	return clock_boot_ms() + (in_ms > least_ms ? in_ms : least_ms);
}

/* store_write_wait; or store_read_wait for one that only looks, and must not hold up those who write. */
typedef int tick_wait_fn(struct store *s, struct store_task *t);

/* Runs the duty; gives when to come again on the boot clock, 0 = not planned. */
static int64_t do_duty(struct server *s, tick_duty_fn *fn, tick_wait_fn *wait)
{
	struct tick_task k = { .task = { .run = tick_run }, .fn = fn };
	if (wait(s->store, &k.task)) {
		log_err(&k.task.err, "tick");
		return clock_boot_ms() + TICK_RETRY_MS;
	}
	return boot_time(s, k.next_ms);
}

static int64_t do_leases(struct server *s, int64_t planned_ms)
{
	int64_t next_ms;
	if (leases_look(s, planned_ms, &next_ms))
		return clock_boot_ms() + TICK_RETRY_MS;
	int64_t at_ms = boot_time(s, next_ms), beat_ms = clock_boot_ms() + server_beat_ms(s);
	if (at_ms)
		return at_ms > beat_ms ? beat_ms : at_ms;
	if (!store_is_shared(s->store))
		return 0;
	/* Leases that other servers give from now on, and may not look after any more. */
	return clock_boot_ms() + s->lease_ms + (int64_t)random_below((uint64_t)s->lease_ms / 4 + 1);
}

static void plan(int64_t *at, int64_t boot_ms)
{
	if (boot_ms && (*at == 0 || boot_ms < *at))
		*at = boot_ms;
}

static int64_t earliest(const struct tick *t)
{
	int64_t at = 0;
	plan(&at, t->due_ms);
	plan(&at, t->expire_ms);
	plan(&at, t->park_ms);
	plan(&at, t->seal_ms);
	return at;
}

static void wait_until(struct tick *t, int64_t boot_ms)
{
	if (boot_ms == 0) {
		pthread_cond_wait(&t->cond, &t->lock);
		return;
	}
	int64_t ms = boot_ms - clock_boot_ms();
	if (ms <= 0)
		return;
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += (ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&t->cond, &t->lock, &ts);
}

/* With the lock: is this duty to be done now? Then it is planned no more. */
static bool take_duty(int64_t *at, int64_t now_ms)
{
	bool is_now = *at && *at <= now_ms;
	if (is_now)
		*at = 0;
	return is_now;
}

static void *tick_loop(void *arg)
{
	struct server *s = arg;
	struct tick *t = &s->tick;
	pthread_mutex_lock(&t->lock);
	while (!t->is_stopping) {
		int64_t now_ms = clock_boot_ms();
		int64_t planned_ms = t->expire_ms;
		bool is_due = take_duty(&t->due_ms, now_ms), is_expire = take_duty(&t->expire_ms, now_ms),
		     is_park = take_duty(&t->park_ms, now_ms), is_seal = take_duty(&t->seal_ms, now_ms);
		if (!is_due && !is_expire && !is_park && !is_seal) {
			wait_until(t, earliest(t));
			continue;
		}
		pthread_mutex_unlock(&t->lock);
		int64_t due_ms = is_due ? do_duty(s, due, store_write_wait) : 0,
			expire_ms = is_expire ? do_leases(s, planned_ms) : 0;
		int64_t seal_ms = is_seal ? do_duty(s, seal, store_read_wait) : 0;
		int64_t park_ms = is_park ? hub_expire(s, now_ms, false) : 0;
		pthread_mutex_lock(&t->lock);
		plan(&t->due_ms, due_ms);
		plan(&t->expire_ms, expire_ms);
		plan(&t->park_ms, park_ms);
		plan(&t->seal_ms, seal_ms);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void pull(struct server *s, int64_t *at, int64_t boot_ms)
{
	struct tick *t = &s->tick;
	pthread_mutex_lock(&t->lock);
	int64_t before = earliest(t);
	plan(at, boot_ms);
	if (earliest(t) != before)
		pthread_cond_signal(&t->cond);
	pthread_mutex_unlock(&t->lock);
}

int tick_start(struct server *s, struct err *e)
{
	if (pthread_create(&s->tick.thread, NULL, tick_loop, s))
		return err_set(e, ERR_SYSTEM, "start the thread that keeps time");
	s->tick.has_thread = true;
	tick_due_at(s, 0);
	tick_expire_at(s, clock_boot_ms());
	pull(s, &s->tick.seal_ms, clock_boot_ms() + SEAL_MS);
	return 0;
}

void tick_stop(struct server *s)
{
	struct tick *t = &s->tick;
	pthread_mutex_lock(&t->lock);
	t->is_stopping = true;
	pthread_cond_signal(&t->cond);
	pthread_mutex_unlock(&t->lock);
	if (t->has_thread)
		pthread_join(t->thread, NULL);
	t->has_thread = false;
}

void tick_due_at(struct server *s, int64_t boot_ms)
{
	pull(s, &s->tick.due_ms, boot_ms ? boot_ms : 1);
}

void tick_expire_at(struct server *s, int64_t boot_ms)
{
	pull(s, &s->tick.expire_ms, boot_ms);
}

void tick_park_at(struct server *s, int64_t boot_ms)
{
	pull(s, &s->tick.park_ms, boot_ms);
}
