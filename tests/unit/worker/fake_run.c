#include "fake_run.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "run/run.h"
#include "test.h"

struct run {
	struct run_options options;
};

struct order {
	bool is_log;
	struct outcome outcome;
	const int *fds;
	int64_t job, size_bytes;
	int attempt;
};

static struct run the_run;
static int events[2], orders[2];
bool fake_run_refuses;
_Atomic int64_t fake_run_stuck_job;

void fake_run_reset(void)
{
	fake_run_refuses = false;
	fake_run_stuck_job = 0;
	assert_int_equal(pipe(events), 0);
	assert_int_equal(pipe(orders), 0);
}

void fake_run_release(void)
{
	for (int i = 0; i < 2; i++) {
		close(events[i]);
		close(orders[i]);
	}
}

bool fake_run_comes(enum fake_what what, int ms, struct fake_event *out)
{
	int64_t until = clock_boot_ms() + ms;

	for (;;) {
		int64_t left = until - clock_boot_ms();
		struct pollfd p = { .fd = events[0], .events = POLLIN };

		if (poll(&p, 1, left < 0 ? 0 : (int)left) <= 0)
			return false;
		assert_int_equal(read(events[0], out, sizeof(*out)), sizeof(*out));
		if (out->what == what)
			return true;
	}
}

struct fake_event fake_run_take(enum fake_what what)
{
	struct fake_event e = { .what = what };

	if (!fake_run_comes(what, 20000, &e))
		fail_msg("the worker did not do %d", (int)what);
	return e;
}

static void order(const struct order *o)
{
	assert_int_equal(write(orders[1], o, sizeof(*o)), sizeof(*o));
}

void fake_run_finish(const struct outcome *o, const int *fds)
{
	order(&(struct order){ .outcome = *o, .fds = fds });
}

void fake_run_log(int64_t job, int attempt, int64_t size_bytes)
{
	order(&(struct order){ .is_log = true, .job = job, .attempt = attempt, .size_bytes = size_bytes });
}

/* ---- what the worker calls ---------------------------------------------------------------------------------- */

static void tell(const struct fake_event *e)
{
	if (write(events[1], e, sizeof(*e)) != (ssize_t)sizeof(*e))
		abort();
}

int run_open(struct run **out, const struct run_options *o, struct err *e)
{
	struct fake_event ev = { .what = FAKE_OPENED };

	the_run.options = *o;
	*out = &the_run;
	snprintf(ev.blob_dir, sizeof(ev.blob_dir), "%s", o->blob_dir);
	snprintf(ev.log_dir, sizeof(ev.log_dir), "%s", o->log_dir);
	tell(&ev);
	return 0;
}

unsigned run_isolations(const struct run *r)
{
	return (1u << ISOLATION_NONE) | (1u << ISOLATION_CHROOT);
}

bool run_keeps(const struct run *r, const char *limit)
{
	(void)r;
	return strcmp(limit, "pids") == 0;
}

const char *run_why_not(const struct run *r)
{
	return "";
}

bool run_is_busy(const struct run *r)
{
	return false;
}

bool run_is_unclean(const struct run *r, struct run_unclean *out)
{
	if (fake_run_stuck_job)
		*out = (struct run_unclean){ .reason = "it does not die",
					     .job = fake_run_stuck_job,
					     .attempt = 1 };
	return fake_run_stuck_job != 0;
}

void run_close(struct run *r)
{
	if (r)
		tell(&(struct fake_event){ .what = FAKE_CLOSED });
}

int run_fd(const struct run *r)
{
	return orders[0];
}

int run_timeout_ms(const struct run *r)
{
	return -1;
}

int run_dispatch(struct run *r, struct err *e)
{
	const struct run_events *ev = &r->options.events;
	struct order o;

	if (read(orders[0], &o, sizeof(o)) != (ssize_t)sizeof(o))
		return err_sys(e, "read an order");
	if (o.is_log)
		ev->on_log(r->options.ctx, o.job, o.attempt, o.size_bytes);
	else
		ev->on_finished(r->options.ctx, &o.outcome, o.fds);
	return 0;
}

int run_start(struct run *r, const struct spec *s, struct err *e)
{
	if (fake_run_refuses)
		return err_set(e, ERR_NOMEM, "as the test wants");
	tell(&(struct fake_event){ .what = FAKE_STARTED, .job = s->job, .attempt = s->attempt });
	return 0;
}

void run_stop(struct run *r, int64_t job, int attempt, enum run_stop how)
{
	tell(&(struct fake_event){ .what = FAKE_STOPPED, .job = job, .attempt = attempt, .how = (int)how });
}

void run_keep_until(struct run *r, int64_t boot_ms)
{
	tell(&(struct fake_event){ .what = FAKE_KEPT, .until_ms = boot_ms });
}

bool run_image_hold(struct run *r, const char *sha256)
{
	return false;
}

void run_image_release(struct run *r, const char *sha256)
{
}

int64_t run_images_bytes(const struct run *r)
{
	return 0;
}

bool run_image_oldest(const struct run *r, int64_t *used_ms)
{
	return false;
}

int64_t run_image_drop_oldest(struct run *r)
{
	return 0;
}
