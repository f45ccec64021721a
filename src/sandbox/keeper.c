#include "sandbox/keeper_priv.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"

enum { EVENTS_AT_ONCE = 32 };

int keeper_watch(struct keeper *k, int fd, uint32_t events, enum keeper_source source, int slot)
{
	struct epoll_event ev = { .events = events, .data.u64 = (uint64_t)source << 32 | (uint32_t)slot };
	return epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &ev);
}

static void watch_sock(struct keeper *k, bool is_blocked)
{
	if (is_blocked == k->is_blocked)
		return;
	struct epoll_event ev = { .events = EPOLLIN | (is_blocked ? EPOLLOUT : 0),
				  .data.u64 = (uint64_t)SOURCE_SOCK << 32 };
	epoll_ctl(k->epoll, EPOLL_CTL_MOD, k->sock, &ev);
	k->is_blocked = is_blocked;
}

static int send_event(struct keeper *k, const struct wire_head *head, const struct wire_event *body,
		      const char *text)
{
	struct wire_part parts[2] = { { body, sizeof *body }, { text, strlen(text) } };
	return wire_send(k->sock, head, parts, 2, NULL, 0, MSG_DONTWAIT);
}

/* The owner may be stopped and its socket full: we must not wait for it, or nobody would watch the deadline. */
void keeper_report(struct keeper *k, enum spawner_event_kind kind, struct keeper_slot *s,
		   struct wire_event *ev, const char *text)
{
	struct wire_head head = { .kind = WIRE_EVENT, .id = s ? s->id : 0, .slot = s ? s->number : -1 };
	ev->kind = (int32_t)kind;
	if (k->is_owner_gone || (!k->unsent && send_event(k, &head, ev, text) == 0))
		return;
	size_t n = strlen(text) + 1;
	struct keeper_event *q = malloc(sizeof *q + n);
	if (!q)
		return;
	q->next = NULL;
	q->head = head;
	q->body = *ev;
	memcpy(q->text, text, n);
	*k->unsent_end = q;
	k->unsent_end = &q->next;
	watch_sock(k, true);
}

static void send_unsent(struct keeper *k)
{
	while (k->unsent && send_event(k, &k->unsent->head, &k->unsent->body, k->unsent->text) == 0) {
		struct keeper_event *sent = k->unsent;
		k->unsent = sent->next;
		free(sent);
	}
	if (!k->unsent) {
		k->unsent_end = &k->unsent;
		watch_sock(k, false);
	}
}

struct keeper_slot *keeper_slot_get(struct keeper *k, int number)
{
	if (number < 0 || number >= SPAWNER_SLOTS_MAX) {
		errno = EINVAL;
		return NULL;
	}
	if (k->slots[number])
		return k->slots[number];
	struct keeper_slot *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->number = number;
	s->out_fd = s->cwd_fd = s->group_fd = s->events_fd = s->procs[0] = s->procs[1] = s->procs[2] =
		s->procs[3] = -1;
	s->own_group_fd = s->own_events_fd = s->root.fd = s->spent.fd = s->ready.root.fd = -1;
	if (number >= k->slots_end)
		k->slots_end = number + 1;
	return k->slots[number] = s;
}

static void replace_fd(int *fd, int with)
{
	if (*fd >= 0)
		close(*fd);
	*fd = with;
}

static void set_slot(struct keeper *k, struct wire_message *m)
{
	struct keeper_slot *s = keeper_slot_get(k, m->head.slot);
	int at = 0;
	if (s && (m->head.flags & WIRE_HAS_CWD) && at < m->fds_len)
		replace_fd(&s->cwd_fd, m->fds[at++]);
	if (s && (m->head.flags & WIRE_HAS_CGROUP) && at < m->fds_len)
		replace_fd(&s->group_fd, m->fds[at++]);
	/* What was taken is ours now. */
	for (int i = at; i < m->fds_len; i++)
		close(m->fds[i]);
	m->fds_len = 0;
}

static void set_deadline(struct keeper *k, int64_t boot_ms)
{
	struct itimerspec t = { .it_value = { .tv_sec = boot_ms / 1000,
					      .tv_nsec = boot_ms % 1000 * 1000000 } };
	timerfd_settime(k->timer, TFD_TIMER_ABSTIME, &t, NULL);
}

static void kill_all(struct keeper *k, bool is_watchdog)
{
	for (int i = 0; i < SPAWNER_SLOTS_MAX; i++) {
		struct keeper_slot *s = k->slots[i];
		if (!s || s->state == SLOT_IDLE)
			continue;
		s->is_by_watchdog |= is_watchdog;
		tree_signal(k, s, SIGKILL);
	}
}

static void handle_small(struct keeper *k, struct wire_message *m)
{
	int64_t boot_ms;
	int32_t sig;
	struct keeper_slot *s = NULL;
	if (m->head.slot >= 0 && m->head.slot < SPAWNER_SLOTS_MAX)
		s = k->slots[m->head.slot];
	if (m->head.kind == WIRE_KEEP && m->len == sizeof boot_ms) {
		memcpy(&boot_ms, m->body, sizeof boot_ms);
		set_deadline(k, boot_ms);
	} else if (m->head.kind == WIRE_KILL && m->len == sizeof sig && s && s->state != SLOT_IDLE) {
		memcpy(&sig, m->body, sizeof sig);
		/* A message for a start that has ended meanwhile must not hit the next one. */
		if (s->id == m->head.id)
			tree_signal(k, s, sig);
	} else if (m->head.kind == WIRE_UNROOT && s) {
		keeper_root_close(k, s);
	}
}

static void handle(struct keeper *k, struct wire_message *m)
{
	switch (m->head.kind) {
	case WIRE_SLOT:
		set_slot(k, m);
		break;
	case WIRE_START:
		keeper_start(k, m);
		break;
	case WIRE_TASK:
		keeper_task(k, m);
		break;
	case WIRE_ROOT:
		keeper_root_open(k, m);
		break;
	case WIRE_DROP:
		keeper_image_drop(k, m);
		break;
	case WIRE_SWEEP:
		keeper_sweep(k);
		break;
	default:
		handle_small(k, m);
	}
	wire_close_fds(m);
}

static void receive_all(struct keeper *k)
{
	for (;;) {
		struct wire_message m;
		int got = wire_receive(k->sock, k->wire, &m, MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN)
			return;
		if (got < 0 && errno == EBADMSG)
			continue;
		if (got <= 0) {
			k->is_owner_gone = true;
			return;
		}
		handle(k, &m);
	}
}

static struct keeper_slot *find_slot(struct keeper *k, pid_t pid)
{
	for (int i = 0; i < SPAWNER_SLOTS_MAX; i++)
		if (k->slots[i] && k->slots[i]->state == SLOT_RUNNING && k->slots[i]->proc->pid == pid)
			return k->slots[i];
	return NULL;
}

/* One that waits for its start. */
static bool was_waiting(struct keeper *k, pid_t pid)
{
	for (int i = 0; i < k->slots_end; i++)
		if (k->slots[i] && ready_on_death(k, k->slots[i], pid))
			return true;
	return false;
}

/* All that died, also orphans that were handed to us. */
static void reap(struct keeper *k)
{
	for (;;) {
		int status;
		struct rusage ru;
		pid_t pid = wait4(-1, &status, WNOHANG, &ru);
		if (pid <= 0)
			return;
		struct keeper_slot *s = find_slot(k, pid);
		if (s)
			keeper_first_ended(k, s, status, &ru);
		else if (!proc_has_left(k, pid) && !was_waiting(k, pid))
			keeper_task_ended(k, pid);
	}
}

/* true: pid 1 told that all others are dead. Had it to be killed, its socket just ends, and its pidfd tells when. */
static bool read_told(const struct keeper_proc *p)
{
	char byte;
	return p && p->sock >= 0 && recv(p->sock, &byte, 1, MSG_DONTWAIT) == 1;
}

static void on_told(struct keeper *k, struct keeper_slot *s)
{
	if (read_told(s->ready.proc))
		proc_leave(k, &s->ready.proc);
	if (!read_told(s->proc))
		return;
	if (s->state == SLOT_RUNNING)
		keeper_told(k, s);
	else
		proc_leave(k, &s->proc);
}

static void on_group(struct keeper *k, struct keeper_slot *s)
{
	if (s && s->state == SLOT_DRAINING && tree_is_gone(k, s)) {
		reap(k);
		keeper_first_ended(k, s, s->status, NULL);
	}
}

bool keeper_is_busy(const struct keeper *k)
{
	for (int i = 0; i < k->slots_end; i++)
		if (k->slots[i] && k->slots[i]->state != SLOT_IDLE)
			return true;
	return false;
}

static void wait_events(struct keeper *k)
{
	struct epoll_event got[EVENTS_AT_ONCE];
	int wait_ms = ready_wait_ms(k);
	int n = epoll_wait(k->epoll, got, EVENTS_AT_ONCE, wait_ms);
	if (n == 0)
		ready_work(k, wait_ms > 0);
	for (int i = 0; i < n; i++) {
		int slot = (int)(uint32_t)got[i].data.u64;
		uint64_t expired;
		switch ((enum keeper_source)(got[i].data.u64 >> 32)) {
		case SOURCE_SOCK:
			if (got[i].events & EPOLLOUT)
				send_unsent(k);
			if (got[i].events & (EPOLLIN | EPOLLHUP))
				receive_all(k);
			break;
		case SOURCE_TIMER:
			if (read(k->timer, &expired, sizeof expired) > 0)
				kill_all(k, true);
			break;
		case SOURCE_CHILD:
			reap(k);
			break;
		case SOURCE_GROUP:
			on_group(k, k->slots[slot]);
			break;
		case SOURCE_TOLD:
			on_told(k, k->slots[slot]);
			break;
		}
	}
}

static void close_roots(struct keeper *k, struct keeper_slot *s)
{
	keeper_root_close(k, s);
	ready_drop(k, s);
	root_take_down(k, &s->spent);
}

static void __attribute__((noreturn)) end(struct keeper *k)
{
	epoll_ctl(k->epoll, EPOLL_CTL_DEL, k->sock, NULL);
	kill_all(k, false);
	while (keeper_is_busy(k))
		wait_events(k);
	for (int i = 0; i < SPAWNER_SLOTS_MAX; i++)
		if (k->slots[i])
			close_roots(k, k->slots[i]);
	keeper_tasks_end(k);
	if (k->options->on_orphaned)
		k->options->on_orphaned(k->options->ctx);
	_exit(0);
}

void keeper_run(struct keeper *k)
{
	k->unsent_end = &k->unsent;
	k->sweeper_fd = -1;
	k->wire = malloc(WIRE_BYTES_MAX);
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	k->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (!k->wire || k->epoll < 0 || k->timer < 0 ||
	    keeper_watch(k, k->sock, EPOLLIN, SOURCE_SOCK, 0) < 0 ||
	    keeper_watch(k, k->timer, EPOLLIN, SOURCE_TIMER, 0) < 0)
		_exit(1);
	if (k->is_held)
		keeper_hello(k);
	while (!k->is_owner_gone)
		wait_events(k);
	end(k);
}
