#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/err.h"
#include "sandbox/keeper_priv.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* A start's strings as they came, before they are laid out in the slot's room. */
struct request {
	const char *strings;
	char *mapped; /* strings too long for a message */
};

static int take(struct wire_message *m, int *at, uint32_t flag)
{
	if (!(m->head.flags & flag) || *at >= m->fds_len)
		return -1;
	int fd = m->fds[*at];
	m->fds[(*at)++] = -1;
	return fd;
}

/* 0, or an errno. */
static int read_strings(struct request *r, const struct wire_start *fixed, struct wire_message *m, int fd)
{
	size_t want = fixed->strings_len;
	if (want > SPAWNER_PLAN_MAX)
		return E2BIG;
	if (fd < 0) {
		r->strings = m->body + sizeof *fixed;
		return m->len - sizeof *fixed == want && want && r->strings[want - 1] == '\0' ? 0 : EBADMSG;
	}
	r->mapped = malloc(want + 1);
	if (!r->mapped)
		return ENOMEM;
	r->strings = r->mapped;
	ssize_t n = pread(fd, r->mapped, want, 0);
	return n == (ssize_t)want && want && r->mapped[want - 1] == '\0' ? 0 : EBADMSG;
}

/* What comes with it is the slot's, also when it is bad. */
static int take_request(struct keeper_slot *s, struct request *r, struct wire_message *m)
{
	int at = 0;
	*r = (struct request){ NULL, NULL };
	s->flags = m->head.flags;
	s->out_fd = s->own_group_fd = s->procs[0] = s->procs[1] = s->procs[2] = s->procs[3] = -1;
	if (m->len < sizeof s->fixed || !m->fds_len)
		return EBADMSG;
	memcpy(&s->fixed, m->body, sizeof s->fixed);
	s->out_fd = m->fds[0];
	m->fds[at++] = -1;
	s->own_group_fd = take(m, &at, WIRE_HAS_CGROUP);
	s->procs[0] = take(m, &at, WIRE_HAS_PROCS0);
	s->procs[1] = take(m, &at, WIRE_HAS_PROCS1);
	s->procs[2] = take(m, &at, WIRE_HAS_PROCS2);
	s->procs[3] = take(m, &at, WIRE_HAS_PROCS3);
	CLEAN_FD int strings_fd = take(m, &at, WIRE_STRINGS_IN_FD);
	return read_strings(r, &s->fixed, m, strings_fd);
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
	const struct wire_start *f = &s->fixed;
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
	s->argv = lay_strings(pointers, &at, strings + f->strings_len, f->argc);
	s->envp = lay_strings(pointers + f->argc + 1, &at, strings + f->strings_len, f->envc);
	snprintf(s->hostname, sizeof s->hostname, "%s", at < strings + f->strings_len ? at : "");
	return s->argv[0] ? 0 : EBADMSG;
}

/* The candidates need room of their own, whose size is known only now. */
static int lay_candidates(struct keeper_slot *s)
{
	const char *path = find_path((const char *const *)s->envp);
	const char *name = s->argv[0];
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
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_groups(struct keeper_slot *s)
{
	close_fd(&s->own_events_fd);
	close_fd(&s->own_group_fd);
	close_fd(&s->procs[0]);
	close_fd(&s->procs[1]);
	close_fd(&s->procs[2]);
	close_fd(&s->procs[3]);
}

/* Ours goes last: the end of the pipe and the event reach the owner in one. */
static void close_out(struct keeper_slot *s)
{
	close_fd(&s->out_fd);
}

static void report_failed(struct keeper *k, struct keeper_slot *s, int sys, const char *what)
{
	struct err e = ERR_INIT;
	errno = sys;
	err_sys(&e, "%s", what);
	struct wire_event ev = { .sys = sys, .status = 126 << 8 };
	close_groups(s);
	close_out(s);
	keeper_report(k, SPAWNER_ENDED, s, &ev, e.text);
}

/* One that waits in the root may be of another sort, or have died: then another is made on the spot. 0, or an errno. */
static int start_in_sandbox(struct keeper *k, struct keeper_slot *s)
{
	uint32_t sort = s->flags & (WIRE_ROOT_USER | WIRE_NET_NONE);
	if (s->proc && s->proc->flags == sort && strcmp(s->proc->hostname, s->hostname) == 0 &&
	    proc_wake(s->proc, s) == 0)
		return 0;
	proc_leave(k, &s->proc);
	int failed = proc_make(k, s, &s->root, s->flags, s->hostname, &s->proc);
	return failed ? failed : proc_wake(s->proc, s);
}

static void start(struct keeper *k, struct keeper_slot *s)
{
	int failed = k->is_held ? start_in_sandbox(k, s)
				: proc_make(k, s, NULL, s->flags, s->hostname, &s->proc);
	if (failed) {
		proc_leave(k, &s->proc);
		report_failed(k, s, failed, "clone");
		return;
	}
	s->state = SLOT_RUNNING;
	s->is_by_watchdog = s->is_signalled = false;
}

static void refuse(struct keeper *k, struct keeper_slot *s)
{
	struct wire_event ev = { .sys = s->root_failed.sys, .status = 126 << 8 };
	close_groups(s);
	close_out(s);
	keeper_report(k, SPAWNER_ENDED, s, &ev, s->root_failed.text);
}

void keeper_start(struct keeper *k, struct wire_message *m)
{
	struct keeper_slot *s = keeper_slot_get(k, m->head.slot);
	if (!s || s->state != SLOT_IDLE)
		return;
	struct request r;
	s->id = m->head.id;
	int failed = take_request(s, &r, m);
	if (!failed)
		failed = lay_out(s, &r);
	if (!failed)
		failed = lay_candidates(s);
	if (failed)
		report_failed(k, s, failed, "read the plan");
	else if (k->is_held && !s->root.is_open)
		refuse(k, s);
	else
		start(k, s);
	free(r.mapped);
	if (s->state == SLOT_RUNNING && k->is_held)
		ready_want(k, s);
}

/* Why the command never ran; false if it did. */
static bool describe_failure(const struct keeper_slot *s, struct wire_event *ev, struct err *e)
{
	const struct child_exec *x = &s->proc->exec;
	const struct child_init *in = &s->proc->init;
	bool is_init_failed = !(x->what || !in->what) && in->exec;
	const char *what = is_init_failed ? in->what : x->what;
	if (!what)
		return false;
	errno = ev->sys = is_init_failed ? in->sys : x->sys;
	if (strcmp(what, "exec") == 0)
		err_sys(e, "exec %s", s->argv[0]);
	else
		err_sys(e, "%s", what);
	return true;
}

/* Less than a page and what goes with it: a write would fail now. */
static bool is_full(const struct keeper_root *r)
{
	struct statfs fs;
	return r->is_memory && fstatfs(r->fd, &fs) == 0 && (fs.f_bavail < 16 || fs.f_ffree == 0);
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

/* Only one that was made ahead may have died before it was told anything; nothing of the start has happened then. */
static bool was_never_awake(const struct keeper_slot *s)
{
	return s->proc->is_made_ahead && !s->proc->exec.is_awake && !s->is_signalled;
}

static void end_start(struct keeper *k, struct keeper_slot *s)
{
	s->state = SLOT_IDLE;
	if (k->is_held && was_never_awake(s)) {
		proc_leave(k, &s->proc);
		start(k, s);
		return;
	}
	close_groups(s);
	tree_renew_group(s);
	report_ended(k, s);
	proc_leave(k, &s->proc);
}

void keeper_told(struct keeper *k, struct keeper_slot *s)
{
	s->status = s->proc->init.status;
	keep_usage(s, &s->proc->init.used);
	end_start(k, s);
}

void keeper_first_ended(struct keeper *k, struct keeper_slot *s, int status, const struct rusage *ru)
{
	if (s->state == SLOT_RUNNING) {
		struct child_init *in = &s->proc->init;
		bool is_init = k->is_held || s->is_reaper;
		close_fd(&s->proc->pidfd);
		s->proc->pid = 0;
		/* Had pid 1 to be killed, it could not tell how its command ended. */
		bool is_told = is_init && WIFEXITED(status) && WEXITSTATUS(status) == 0;
		s->status = is_told ? in->status : status;
		keep_usage(s, is_init ? &in->used : ru);
		if (!is_init)
			in->exec = NULL;
		s->state = SLOT_DRAINING;
		if (!tree_is_gone(k, s))
			return;
	}
	end_start(k, s);
}
