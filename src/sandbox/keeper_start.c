#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/err.h"
#include "sandbox/filter_priv.h"
#include "sandbox/keeper_priv.h"
#include "sandbox/raw.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* A start as it came, before it is laid out in the slot's room. */
struct request {
	struct wire_start fixed;
	const char *strings;
	char *mapped; /* strings too long for a message */
	int out_fd, group_fd, procs[2];
};

static int take(struct wire_message *m, int *at, uint32_t flag)
{
	if (!(m->head.flags & flag) || *at >= m->fds_len)
		return -1;
	int fd = m->fds[*at];
	m->fds[(*at)++] = -1;
	return fd;
}

static void release(struct request *r)
{
	for (size_t i = 0; i < ARRAY_LEN(r->procs); i++)
		if (r->procs[i] >= 0)
			close(r->procs[i]);
	free(r->mapped);
}

/* 0, or an errno. */
static int read_strings(struct request *r, struct wire_message *m, int fd)
{
	size_t want = r->fixed.strings_len;
	if (want > SPAWNER_PLAN_MAX)
		return E2BIG;
	if (fd < 0) {
		r->strings = m->body + sizeof r->fixed;
		return m->len - sizeof r->fixed == want && want && r->strings[want - 1] == '\0' ? 0 : EBADMSG;
	}
	r->mapped = malloc(want + 1);
	if (!r->mapped)
		return ENOMEM;
	r->strings = r->mapped;
	ssize_t n = pread(fd, r->mapped, want, 0);
	return n == (ssize_t)want && want && r->mapped[want - 1] == '\0' ? 0 : EBADMSG;
}

static int take_request(struct request *r, struct wire_message *m)
{
	int at = 0;
	*r = (struct request){ .out_fd = -1, .group_fd = -1, .procs = { -1, -1 } };
	if (m->len < sizeof r->fixed || !m->fds_len)
		return EBADMSG;
	memcpy(&r->fixed, m->body, sizeof r->fixed);
	r->out_fd = m->fds[0];
	m->fds[at++] = -1;
	r->group_fd = take(m, &at, WIRE_HAS_CGROUP);
	r->procs[0] = take(m, &at, WIRE_HAS_PROCS0);
	r->procs[1] = take(m, &at, WIRE_HAS_PROCS1);
	CLEAN_FD int strings_fd = take(m, &at, WIRE_STRINGS_IN_FD);
	return read_strings(r, m, strings_fd);
}

static size_t count_parts(const char *path)
{
	size_t n = 1;
	for (; *path; path++)
		n += *path == ':';
	return n;
}

/* Where to look for argv[0], as execvp() would: an array in *array, its strings in *text. */
static void lay_paths(const char **array, char *text, const char *name, const char *path)
{
	if (strchr(name, '/')) {
		array[0] = name;
		array[1] = NULL;
		return;
	}
	size_t at = 0, name_len = strlen(name);
	while (*name) {
		size_t n = strcspn(path, ":");
		array[at++] = text;
		/* An empty part means the current folder. */
		if (n) {
			memcpy(text, path, n);
			text += n;
			*text++ = '/';
		}
		memcpy(text, name, name_len + 1);
		text += name_len + 1;
		if (!path[n])
			break;
		path += n + 1;
	}
	array[at] = NULL;
}

static const char *find_path(const char *const *envp)
{
	for (; *envp; envp++)
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	return DEFAULT_PATH;
}

static char **lay_strings(char **array, char **at, const char *end, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		array[i] = *at < end ? *at : NULL;
		if (array[i])
			*at += strlen(*at) + 1;
	}
	array[count] = NULL;
	return array;
}

static int make_room(struct keeper_slot *s, size_t need)
{
	if (need <= s->room_size)
		return 0;
	free(s->room);
	s->room_size = 0;
	s->room = malloc(need + 4096);
	if (!s->room)
		return ENOMEM;
	s->room_size = need + 4096;
	return 0;
}

/* Pointers first, then the strings, then the paths made of them. */
static int lay_out(struct keeper_slot *s, const struct request *r)
{
	const struct wire_start *f = &r->fixed;
	if (!f->argc || f->argc > f->strings_len || f->envc > f->strings_len)
		return EBADMSG;
	size_t strings_at = ((size_t)f->argc + f->envc + 2) * sizeof(char *);
	/* The longest PATH is all of the strings, and so is the longest name. */
	int failed = make_room(s, strings_at + f->strings_len);
	if (failed)
		return failed;
	char *strings = s->room + strings_at, *at = strings;
	memcpy(strings, r->strings, f->strings_len);
	char **pointers = (char **)(void *)s->room;
	s->exec.argv = lay_strings(pointers, &at, strings + f->strings_len, f->argc);
	s->exec.envp = lay_strings(pointers + f->argc + 1, &at, strings + f->strings_len, f->envc);
	snprintf(s->root.hostname, sizeof s->root.hostname, "%s", at < strings + f->strings_len ? at : "");
	return s->exec.argv[0] ? 0 : EBADMSG;
}

/* The candidates need room of their own, whose size is known only now. */
static int lay_candidates(struct keeper_slot *s)
{
	const char *path = find_path((const char *const *)s->exec.envp);
	const char *name = s->exec.argv[0];
	size_t parts = count_parts(path);
	size_t bytes = (parts + 2) * sizeof(char *) + strlen(path) + parts * (strlen(name) + 2);
	if (parts > 256 || bytes > SPAWNER_PLAN_MAX)
		return E2BIG;
	if (bytes > s->paths_size) {
		free(s->paths);
		s->paths_size = 0;
		s->paths = malloc(bytes + 1024);
		if (!s->paths)
			return ENOMEM;
		s->paths_size = bytes + 1024;
	}
	const char **array = (const char **)(void *)s->paths;
	lay_paths(array, s->paths + (parts + 2) * sizeof(char *), name, path);
	s->exec.paths = array;
	return 0;
}

static void add_limit(struct child_exec *x, int resource, uint64_t value)
{
	x->limits[x->limits_len++] = (struct child_limit){ resource, value };
}

static void set_exec(struct keeper *k, struct keeper_slot *s, const struct request *r, uint32_t flags)
{
	struct child_exec *x = &s->exec;
	x->out_fd = r->out_fd;
	x->cwd_fd = k->is_held ? -1 : s->cwd_fd;
	x->cwd = "/job";
	x->procs[0] = r->procs[0];
	x->procs[1] = r->procs[1];
	x->procs[2] = x->procs[3] = -1;
	x->limits_len = 0;
	if (r->fixed.files)
		add_limit(x, RLIMIT_NOFILE, (uint64_t)r->fixed.files);
	if (r->fixed.cpu_s)
		add_limit(x, RLIMIT_CPU, (uint64_t)r->fixed.cpu_s);
	if (r->fixed.file_bytes)
		add_limit(x, RLIMIT_FSIZE, (uint64_t)r->fixed.file_bytes);
	x->is_dying_with_parent = true;
	x->is_confined = k->is_held;
	x->sys = 0;
	x->what = NULL;
	bool is_root = flags & WIRE_ROOT_USER;
	x->uid = x->gid = is_root ? 0 : SPAWNER_BUILD_UID;
	/* What no root step may have left our own bounding set at the start. */
	x->caps_dropped = is_root ? 0 : FILTER_ROOT_CAPS;
	x->filter = k->is_held ? &k->filters[is_root] : NULL;
	if (x->filter && !x->filter->len)
		x->filter = NULL;
}

static long clone_native(struct keeper_slot *s, int *pidfd)
{
	int group = s->own_group_fd >= 0 ? s->own_group_fd : s->group_fd;
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)s->stacks,
		.stack_size = KEEPER_STACK_BYTES,
		.cgroup = (uint64_t)group,
	};
	return raw_clone(&args, sizeof args, child_exec, &s->exec);
}

static long clone_init(struct keeper *k, struct keeper_slot *s, uint32_t flags, int *pidfd)
{
	struct child_init *in = &s->init;
	memset(in, 0, sizeof *in);
	in->exec = &s->exec;
	in->stack = s->stacks + KEEPER_STACK_BYTES;
	in->stack_size = KEEPER_STACK_BYTES;
	in->is_reaper = !k->is_held;
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_PIDFD,
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)s->stacks,
		.stack_size = KEEPER_STACK_BYTES,
	};
	if (k->is_held) {
		in->ops = s->ops;
		in->ops_len = keeper_root_ops(s, flags & WIRE_NET_NONE);
		args.flags |= CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
		if (flags & WIRE_NET_NONE)
			args.flags |= CLONE_NEWNET;
	}
	if (s->own_group_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)s->own_group_fd;
	}
	return raw_clone(&args, sizeof args, child_init, in);
}

static int do_clone(struct keeper *k, struct keeper_slot *s, uint32_t flags)
{
	int pidfd = -1;
	bool is_grouped = s->group_fd >= 0 || s->own_group_fd >= 0;
	s->is_reaper = !k->is_held && !is_grouped;
	long pid = !k->is_held && is_grouped ? clone_native(s, &pidfd) : clone_init(k, s, flags, &pidfd);
	if (pid < 0)
		return (int)-pid;
	s->pid = (pid_t)pid;
	s->pidfd = pidfd;
	s->state = SLOT_RUNNING;
	s->is_by_watchdog = false;
	keeper_watch(k, pidfd, EPOLLIN, SOURCE_CHILD, s->number);
	return 0;
}

static void close_own_group(struct keeper_slot *s)
{
	if (s->own_events_fd >= 0)
		close(s->own_events_fd);
	if (s->own_group_fd >= 0)
		close(s->own_group_fd);
	s->own_group_fd = s->own_events_fd = -1;
}

/* Ours goes last: the end of the pipe and the event reach the owner in one. */
static void close_out(struct keeper_slot *s)
{
	if (s->out_fd >= 0)
		close(s->out_fd);
	s->out_fd = -1;
}

static void report_failed(struct keeper *k, struct keeper_slot *s, int sys, const char *what)
{
	struct err e = ERR_INIT;
	errno = sys;
	err_sys(&e, "%s", what);
	struct wire_event ev = { .sys = sys, .status = 126 << 8 };
	close_own_group(s);
	close_out(s);
	keeper_report(k, SPAWNER_ENDED, s, &ev, e.text);
}

void keeper_start(struct keeper *k, struct wire_message *m)
{
	struct keeper_slot *s = keeper_slot_get(k, m->head.slot);
	if (!s || s->state != SLOT_IDLE)
		return;
	struct request r;
	s->id = m->head.id;
	int failed = take_request(&r, m);
	s->own_group_fd = r.group_fd;
	s->out_fd = r.out_fd;
	if (!failed)
		failed = lay_out(s, &r);
	if (!failed)
		failed = lay_candidates(s);
	if (failed) {
		report_failed(k, s, failed, "read the plan");
	} else if (k->is_held && !s->root.is_open) {
		struct wire_event ev = { .sys = s->root.failed.sys, .status = 126 << 8 };
		close_own_group(s);
		close_out(s);
		keeper_report(k, SPAWNER_ENDED, s, &ev, s->root.failed.text);
	} else {
		set_exec(k, s, &r, m->head.flags);
		failed = do_clone(k, s, m->head.flags);
		if (failed)
			report_failed(k, s, failed, "clone");
	}
	release(&r);
}

/* Why the command never ran; false if it did. */
static bool describe_failure(const struct keeper_slot *s, struct wire_event *ev, struct err *e)
{
	bool is_init_failed = !(s->exec.what || !s->init.what) && s->init.exec;
	const char *what = is_init_failed ? s->init.what : s->exec.what;
	if (!what)
		return false;
	errno = ev->sys = is_init_failed ? s->init.sys : s->exec.sys;
	if (strcmp(what, "exec") == 0)
		err_sys(e, "exec %s", s->exec.argv[0]);
	else
		err_sys(e, "%s", what);
	return true;
}

/* Less than a page and what goes with it: a write would fail now. */
static bool is_full(const struct keeper_root *r)
{
	struct statfs fs;
	return r->is_memory && fstatfs(r->fd, &fs) == 0 && fs.f_bavail < 16;
}

static void report_ended(struct keeper *k, struct keeper_slot *s)
{
	struct err e = ERR_INIT;
	struct wire_event ev = {
		.status = s->status,
		.is_by_watchdog = s->is_by_watchdog,
		.cpu_user_us = s->cpu_user_us,
		.cpu_sys_us = s->cpu_sys_us,
		.memory_peak_bytes = s->maxrss_kb * 1024,
	};
	ev.is_started = !describe_failure(s, &ev, &e);
	if (s->root.is_open && ev.is_started)
		ev.has_result = faccessat(s->root.fd, "job/result.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	ev.is_disk_full = s->root.is_open && s->status && is_full(&s->root);
	close_out(s);
	keeper_report(k, SPAWNER_ENDED, s, &ev, e.text);
}

static void keep_usage(struct keeper_slot *s, const struct rusage *ru)
{
	s->cpu_user_us = (int64_t)ru->ru_utime.tv_sec * 1000000 + ru->ru_utime.tv_usec;
	s->cpu_sys_us = (int64_t)ru->ru_stime.tv_sec * 1000000 + ru->ru_stime.tv_usec;
	s->maxrss_kb = ru->ru_maxrss;
}

void keeper_first_ended(struct keeper *k, struct keeper_slot *s, int status, const struct rusage *ru)
{
	if (s->state == SLOT_RUNNING) {
		bool is_init = k->is_held || s->is_reaper;
		close(s->pidfd);
		s->pidfd = -1;
		/* Had pid 1 to be killed, it could not tell how its command ended. */
		bool is_told = is_init && WIFEXITED(status) && WEXITSTATUS(status) == 0;
		s->status = is_told ? s->init.status : status;
		keep_usage(s, is_init ? &s->init.used : ru);
		if (!is_init)
			s->init.exec = NULL;
		s->state = SLOT_DRAINING;
		if (!tree_is_gone(k, s))
			return;
	}
	s->state = SLOT_IDLE;
	close_own_group(s);
	tree_renew_group(s);
	report_ended(k, s);
}
