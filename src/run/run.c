#include "run/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/fd.h"
#include "run/open_priv.h"
#include "run/run_priv.h"

enum { EVENTS_AT_ONCE = 64 };

int run_watch(struct run *r, int fd, enum run_source source, int slot, struct err *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = (uint64_t)source << 32 | (uint32_t)slot };
	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? err_sys(e, "watch a descriptor") : 0;
}

int run_fd(const struct run *r)
{
	return r->epoll;
}

unsigned run_isolations(const struct run *r)
{
	return 1U << ISOLATION_NONE | (r->is_chroot_ready ? 1U << ISOLATION_CHROOT : 0);
}

const char *run_why_not(const struct run *r)
{
	return r->why_not;
}

bool run_keeps(const struct run *r, const char *limit)
{
	const struct cgroup *c = &r->cgroup;
	if (strcmp(limit, "memory") == 0)
		return c->is_memory;
	if (strcmp(limit, "pids") == 0)
		return c->is_pids;
	return strcmp(limit, "cpu") != 0 || c->is_cpu;
}

int run_timeout_ms(const struct run *r)
{
	int64_t at = INT64_MAX;
	if (r->is_done_waiting)
		return 0;
	for (int i = 0; i < RUN_SLOTS_MAX; i++)
		if (r->slots[i]) {
			int64_t deadline = attempt_deadline_ms(r->slots[i]);
			at = deadline < at ? deadline : at;
		}
	if (at == INT64_MAX)
		return -1;
	int64_t left = at - clock_boot_ms();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

void run_unwatch(struct run *r, int fd)
{
	epoll_ctl(r->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void on_spawner_event(struct run *r, const struct spawner_event *ev)
{
	struct run_attempt *a = ev->slot >= 0 && ev->slot < RUN_SLOTS_MAX ? r->slots[ev->slot] : NULL;
	/* An event of an attempt that was given up meanwhile. */
	if (!a || a->id != ev->id)
		return;
	if (ev->kind == SPAWNER_ENDED)
		attempt_on_ended(a, ev);
	else if (ev->kind == SPAWNER_ROOT_FAILED)
		attempt_on_root_failed(a, ev->text);
}

static int on_spawner(struct run *r, struct spawner *s, struct err *e)
{
	struct spawner_event ev;
	int got;
	while ((got = spawner_next(s, &ev, e)) > 0)
		on_spawner_event(r, &ev);
	return got;
}

static void on_pipe(struct run_attempt *a)
{
	if (a && a->pump.fd >= 0)
		pump_read(a, false);
}

static int handle(struct run *r, enum run_source source, int slot, struct err *e)
{
	struct run_attempt *a = slot >= 0 && slot < RUN_SLOTS_MAX ? r->slots[slot] : NULL;
	struct image *image;
	switch (source) {
	case SOURCE_NATIVE:
		return on_spawner(r, r->native, e);
	case SOURCE_CHROOT:
		return on_spawner(r, r->chroot, e);
	case SOURCE_PIPE:
		on_pipe(a);
		return 0;
	case SOURCE_TASK:
		if (a && a->task >= 0)
			attempt_on_task(a);
		return 0;
	case SOURCE_IMAGE:
		image = image_find_task(r, slot);
		if (image)
			image_on_task(r, image);
		return 0;
	}
	return 0;
}

static void finish_outcome(struct run_attempt *a)
{
	struct outcome *o = &a->outcome;
	struct pump *p = &a->pump;
	o->usage.wall_ms = clock_boot_ms() - a->started_ms;
	o->log_bytes = p->size_bytes;
	o->is_log_truncated = p->is_truncated;
	if (p->file_fd < 0) {
		o->log = p->memory.data;
		o->log_len = p->memory.len;
	}
}

static void report(struct run *r, int slot)
{
	struct run_attempt *a = r->slots[slot];
	r->slots[slot] = NULL;
	finish_outcome(a);
	pump_tell(a);
	if (a->halt != HALT_STALE) {
		r->options.events.on_finished(r->options.ctx, &a->outcome, a->artifact_fds);
	} else {
		for (size_t i = 0; i < a->outcome.artifacts_len; i++)
			close(a->artifact_fds[i]);
	}
	attempt_free(a);
}

/* The callback may start the next attempt, in the same slot even. */
static void report_done(struct run *r)
{
	while (r->is_done_waiting) {
		r->is_done_waiting = false;
		for (int i = 0; i < RUN_SLOTS_MAX; i++)
			if (r->slots[i] && r->slots[i]->phase == PHASE_DONE)
				report(r, i);
	}
}

int run_dispatch(struct run *r, struct err *e)
{
	struct epoll_event got[EVENTS_AT_ONCE];
	int n = epoll_wait(r->epoll, got, EVENTS_AT_ONCE, 0);
	if (n < 0 && errno != EINTR)
		return err_sys(e, "wait for events");
	for (int i = 0; i < n; i++)
		if (handle(r, (enum run_source)(got[i].data.u64 >> 32), (int)(uint32_t)got[i].data.u64, e) <
		    0)
			return -1;
	int64_t now = clock_boot_ms();
	for (int i = 0; i < RUN_SLOTS_MAX; i++)
		if (r->slots[i])
			attempt_on_time(r->slots[i], now);
	report_done(r);
	return 0;
}

static int free_slot(const struct run *r)
{
	for (int i = 0; i < RUN_SLOTS_MAX; i++)
		if (!r->slots[i])
			return i;
	return -1;
}

int run_start(struct run *r, const struct spec *s, struct err *e)
{
	int slot = free_slot(r);
	if (slot < 0)
		return err_set(e, ERR_BUSY, "%d attempts run already", RUN_SLOTS_MAX);
	if (s->isolation == ISOLATION_VM)
		return err_set(e, ERR_UNSUPPORTED, "this worker has no virtual machines");
	struct run_attempt *a = attempt_new(r, s, slot, e);
	if (!a)
		return -1;
	r->slots[slot] = a;
	attempt_begin(a);
	return 0;
}

void run_stop(struct run *r, int64_t job, int attempt, enum run_stop how)
{
	static const enum halt halts[] = {
		[RUN_STOP_CANCEL] = HALT_CANCEL,
		[RUN_STOP_RELEASE] = HALT_RELEASE,
		[RUN_STOP_STALE] = HALT_STALE,
	};
	for (int i = 0; i < RUN_SLOTS_MAX; i++) {
		struct run_attempt *a = r->slots[i];
		if (a && a->spec.job == job && a->spec.attempt == attempt)
			attempt_halt(a, halts[how]);
	}
}

bool run_is_busy(const struct run *r)
{
	for (int i = 0; i < RUN_SLOTS_MAX; i++)
		if (r->slots[i])
			return true;
	return false;
}

bool run_is_unclean(const struct run *r, struct run_unclean *out)
{
	if (!r->stuck && r->unclean.code == ERR_NONE)
		return false;
	*out = (struct run_unclean){ .job = 0 };
	for (int i = 0; r->stuck && i < RUN_SLOTS_MAX; i++) {
		const struct run_attempt *a = r->slots[i];
		if (!a || !a->is_stuck)
			continue;
		out->job = a->spec.job;
		out->attempt = a->spec.attempt;
		snprintf(out->reason, sizeof out->reason,
			 "processes of job %lld were killed %lld s ago and are not dead", (long long)out->job,
			 (long long)(clock_boot_ms() - a->killed_ms) / 1000);
		return true;
	}
	snprintf(out->reason, sizeof out->reason, "%s", r->unclean.text);
	return true;
}

void run_keep_until(struct run *r, int64_t boot_ms)
{
	spawner_keep_until(r->native, boot_ms, NULL);
	if (r->chroot)
		spawner_keep_until(r->chroot, boot_ms, NULL);
}

void run_close(struct run *r)
{
	if (!r)
		return;
	for (int i = 0; i < RUN_SLOTS_MAX; i++) {
		attempt_free(r->slots[i]);
		r->slots[i] = NULL;
	}
	/* The one that sweeps groups and folders of both goes last. */
	spawner_close(r->chroot);
	spawner_close(r->native);
	for (int i = 0; i < RUN_SLOTS_MAX; i++)
		if (r->folders[i].path)
			folder_release(&r->folders[i]);
	image_free_all(r);
	run_close_fds(r);
	free(r->room);
	free(r->work_path);
	free(r);
}
