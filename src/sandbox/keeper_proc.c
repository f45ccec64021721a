/* First processes: made, woken, let go. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clean.h"
#include "sandbox/filter_priv.h"
#include "sandbox/keeper_priv.h"
#include "sandbox/raw.h"

/* Their stacks are kept, for pages that were touched. */
static struct keeper_proc *take_spare(struct keeper *k)
{
	struct keeper_proc *p = k->spare;
	if (p) {
		k->spare = p->next;
		return p;
	}
	p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->stacks = mmap(NULL, 2 * KEEPER_STACK_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (p->stacks == MAP_FAILED) {
		free(p);
		return NULL;
	}
	return p;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void proc_put_back(struct keeper *k, struct keeper_proc *p)
{
	close_fd(&p->sock);
	close_fd(&p->pidfd);
	p->pid = 0;
	p->next = k->spare;
	k->spare = p;
}

void proc_leave(struct keeper *k, struct keeper_proc **at)
{
	struct keeper_proc *p = *at;
	if (!p)
		return;
	*at = NULL;
	if (!p->pid) {
		proc_put_back(k, p);
		return;
	}
	close_fd(&p->sock);
	syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
	p->next = k->leaving;
	k->leaving = p;
}

bool proc_has_left(struct keeper *k, pid_t pid)
{
	for (struct keeper_proc **at = &k->leaving; *at; at = &(*at)->next)
		if ((*at)->pid == pid) {
			struct keeper_proc *p = *at;
			*at = p->next;
			proc_put_back(k, p);
			return true;
		}
	return false;
}

/* Who it becomes: all that it can be told before its start is known. */
static void set_identity(const struct keeper *k, struct keeper_proc *p)
{
	struct child_exec *x = &p->exec;
	bool is_root = p->flags & WIRE_ROOT_USER;
	x->wake_fd = -1;
	x->is_dying_with_parent = true;
	x->is_confined = k->is_held;
	x->is_awake = false;
	x->sys = 0;
	x->what = NULL;
	x->uid = x->gid = is_root ? 0 : SPAWNER_BUILD_UID;
	/* What no root step may have left our own bounding set at the start. */
	x->caps_dropped = is_root ? 0 : FILTER_ROOT_CAPS;
	x->filter = k->is_held && k->filters[is_root].calls.len ? &k->filters[is_root] : NULL;
}

static long clone_native(struct keeper_slot *s, struct keeper_proc *p)
{
	int group = s->own_group_fd >= 0 ? s->own_group_fd : s->group_fd;
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (uintptr_t)&p->pidfd,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)p->stacks,
		.stack_size = KEEPER_STACK_BYTES,
		.cgroup = (uint64_t)group,
	};
	return raw_clone(&args, sizeof args, child_exec, &p->exec);
}

static long clone_init(struct keeper *k, struct keeper_slot *s, struct keeper_proc *p,
		       const struct keeper_root *root)
{
	struct child_init *in = &p->init;
	memset(in, 0, sizeof *in);
	in->exec = &p->exec;
	in->stack = p->stacks + KEEPER_STACK_BYTES;
	in->stack_size = KEEPER_STACK_BYTES;
	in->is_reaper = !k->is_held;
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_PIDFD,
		.pidfd = (uintptr_t)&p->pidfd,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)p->stacks,
		.stack_size = KEEPER_STACK_BYTES,
	};
	if (k->is_held) {
		in->ops = p->ops;
		in->ops_len = root_ops(p, root);
		/* Of cgroups for what its name tells: where on the host we are. */
		args.flags |= CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
		if (p->flags & WIRE_NET_NONE)
			args.flags |= CLONE_NEWNET;
	} else if (s->own_group_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)s->own_group_fd;
	}
	return raw_clone(&args, sizeof args, child_init, in);
}

static int clone_in_sandbox(struct keeper *k, struct keeper_slot *s, struct keeper_proc *p,
			    const struct keeper_root *root, long *pid)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return errno;
	p->sock = ends[0];
	p->exec.wake_fd = ends[1];
	*pid = clone_init(k, s, p, root);
	close(ends[1]);
	if (*pid > 0)
		keeper_watch(k, p->sock, EPOLLIN | EPOLLET, SOURCE_TOLD, s->number);
	return 0;
}

static void add_limit(struct child_exec *x, int resource, int64_t value)
{
	if (value)
		x->limits[x->limits_len++] = (struct child_limit){ resource, (uint64_t)value };
}

/* What it is to do: all that the slot's start says. */
static void set_start(struct keeper_proc *p, const struct keeper_slot *s)
{
	struct child_exec *x = &p->exec;
	x->paths = (const char *const *)(const void *)s->paths;
	x->argv = s->argv;
	x->envp = s->envp;
	x->out_fd = s->out_fd;
	x->cwd_fd = x->is_confined ? -1 : s->cwd_fd;
	x->cwd = "/job";
	for (int i = 0; i < CHILD_PROCS_MAX; i++)
		x->procs[i] = i < SPAWNER_GROUPS_MAX ? s->procs[i] : -1;
	x->limits_len = 0;
	add_limit(x, RLIMIT_NOFILE, s->fixed.files);
	add_limit(x, RLIMIT_CPU, s->fixed.cpu_s);
	add_limit(x, RLIMIT_FSIZE, s->fixed.file_bytes);
}

int proc_make(struct keeper *k, struct keeper_slot *s, const struct keeper_root *root, uint32_t flags,
	      const char *hostname, struct keeper_proc **out)
{
	struct keeper_proc *p = take_spare(k);
	if (!p)
		return ENOMEM;
	p->sock = p->pidfd = -1;
	p->is_made_ahead = false;
	p->flags = flags & (WIRE_ROOT_USER | WIRE_NET_NONE);
	snprintf(p->hostname, sizeof p->hostname, "%s", hostname);
	set_identity(k, p);
	long pid = 0;
	int failed = 0;
	s->is_reaper = !k->is_held && s->group_fd < 0 && s->own_group_fd < 0;
	if (!k->is_held)
		set_start(p, s);
	if (k->is_held)
		failed = clone_in_sandbox(k, s, p, root, &pid);
	else
		pid = s->is_reaper ? clone_init(k, s, p, NULL) : clone_native(s, p);
	if (failed || pid < 0) {
		proc_put_back(k, p);
		return failed ? failed : (int)-pid;
	}
	p->pid = (pid_t)pid;
	/* By edge: once closed, these are still watched as long as a child that is just being started has a copy. */
	keeper_watch(k, p->pidfd, EPOLLIN | EPOLLET, SOURCE_CHILD, s->number);
	*out = p;
	return 0;
}

int proc_wake(struct keeper_proc *p, const struct keeper_slot *s)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * (SPAWNER_GROUPS_MAX + 1))];
	} control;
	struct iovec iov = { .iov_base = control.room, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room };
	int fds[SPAWNER_GROUPS_MAX + 1], n = 0;
	set_start(p, s);
	fds[n++] = s->out_fd;
	for (size_t i = 0; i < ARRAY_LEN(s->procs); i++)
		if (s->procs[i] >= 0)
			fds[n++] = s->procs[i];
	m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n);
	return sendmsg(p->sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : 0;
}
