#include "sandbox/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "sandbox/filter_priv.h"
#include "sandbox/keeper_priv.h"
#include "sandbox/userns.h"
#include "sandbox/wire_priv.h"

struct spawner {
	int sock;
	pid_t pid;
	char *room; /* of the message last received */
};

enum { STRINGS_INLINE_MAX = 48 * 1024 };

/* All but what the spawner is given: the owner may have listening sockets and databases open. */
static void close_rest(const struct spawner_options *o, int sock, int work_fd)
{
	int keep[16], n = 0;
	keep[n++] = sock;
	if (work_fd >= 0)
		keep[n++] = work_fd;
	for (int i = 0; i < o->held_fds_len && n < (int)ARRAY_LEN(keep); i++)
		keep[n++] = o->held_fds[i];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
	}
	int from = 3;
	for (int next = 0; next >= 0;) {
		next = -1;
		for (int i = 0; i < n; i++)
			if (keep[i] >= from && (next < 0 || keep[i] < next))
				next = keep[i];
		if (next != from)
			close_range((unsigned)from, next < 0 ? ~0U : (unsigned)next - 1, 0);
		from = next + 1;
	}
}

/* What children get from us without a system call of their own. */
static void set_inherited(struct keeper *k)
{
	sigset_t none;
	struct rlimit core = { 0, 0 };
	struct sigaction dflt = { .sa_handler = SIG_DFL };
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dflt, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setrlimit(RLIMIT_CORE, &core);
	umask(022);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* The owner's terminal and process group are not ours: its ^C is for it alone. */
	setsid();
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	prctl(PR_SET_NAME, k->is_held ? "slipway-chroots" : "slipway-spawner");
	k->unsent_end = &k->unsent;
}

static void say_failed(struct keeper *k, const struct err *e)
{
	struct wire_event ev = { .sys = e->sys ? e->sys : EIO };
	k->epoll = -1;
	keeper_report(k, SPAWNER_HELLO, NULL, &ev, e->text);
	_exit(1);
}

static void run_keeper(const struct spawner_options *o, int sock, int work_fd)
{
	static struct keeper k;
	struct err e = ERR_INIT;
	k.options = o;
	k.is_held = o->is_held;
	k.sock = sock;
	k.trash_fd = -1;
	close_rest(o, sock, work_fd);
	set_inherited(&k);
	if (!o->is_held) {
		if (work_fd >= 0)
			k.trash_fd = openat(work_fd, "trash", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		keeper_run(&k);
	}
	prctl(PR_SET_DUMPABLE, 0);
	if (keeper_root_setup(&k, &e) < 0 || filter_build(false, &k.filters[0], &e) < 0 ||
	    filter_build(true, &k.filters[1], &e) < 0)
		say_failed(&k, &e);
	close(work_fd);
	filter_bound_caps(FILTER_ROOT_CAPS);
	keeper_run(&k);
}

static pid_t fork_keeper(const struct spawner_options *o, int *work_fd, struct err *e)
{
	struct userns_range range;
	if (!o->is_held) {
		pid_t pid = fork();
		return pid < 0 ? err_sys(e, "fork the spawner") : pid;
	}
	if (userns_find_range(&range, e) < 0 || userns_give(*work_fd, "chroot", &range, e) < 0)
		return -1;
	/* The owner opens it: the namespace's ids may not be able to pass the folders above. */
	int given = openat(*work_fd, "chroot", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (given < 0)
		return err_sys(e, "open the chroots' folder");
	close(*work_fd);
	*work_fd = given;
	/* Only the current folder is carried over into the new mount namespace; a descriptor stays in the old. */
	CLEAN_FD int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fchdir(given) < 0)
		return err_sys(e, "enter the chroots' folder");
	pid_t pid = userns_fork(&range, e);
	if (pid != 0 && back >= 0 && fchdir(back) < 0)
		return err_sys(e, "go back to the current folder");
	return pid;
}

int spawner_open(struct spawner **out, const struct spawner_options *o, struct err *e)
{
	int ends[2], room = 4 << 20;
	CLEAN_FD int work_fd = open(o->work_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (work_fd < 0)
		return err_sys(e, "open %s", o->work_dir);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "make a socket pair");
	for (int i = 0; i < 2; i++)
		if (setsockopt(ends[i], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0)
			setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	struct spawner *s = calloc(1, sizeof *s);
	char *bytes = malloc(WIRE_BYTES_MAX + 1);
	pid_t pid = s && bytes ? fork_keeper(o, &work_fd, e) : err_set(e, ERR_NOMEM, "out of memory");
	if (pid == 0)
		run_keeper(o, ends[1], work_fd);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		free(s);
		free(bytes);
		return -1;
	}
	*s = (struct spawner){ .sock = ends[0], .pid = pid, .room = bytes };
	*out = s;
	return 0;
}

void spawner_close(struct spawner *s)
{
	if (!s)
		return;
	close(s->sock);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	free(s->room);
	free(s);
}

int spawner_fd(const struct spawner *s)
{
	return s->sock;
}

int spawner_pid(const struct spawner *s)
{
	return s->pid;
}

static int bad_message(struct err *e)
{
	return err_set(e, ERR_INTERNAL, "the spawner sent a message that makes no sense");
}

int spawner_next(struct spawner *s, struct spawner_event *ev, struct err *e)
{
	struct wire_message m;
	struct wire_event w;
	int got = wire_receive(s->sock, s->room, &m, MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return 0;
	if (got < 0)
		return err_sys(e, "read from the spawner");
	if (got == 0)
		return err_set(e, ERR_SYSTEM, "the spawner is gone");
	wire_close_fds(&m);
	if (m.head.kind != WIRE_EVENT || m.len < sizeof w)
		return bad_message(e);
	memcpy(&w, m.body, sizeof w);
	s->room[m.len] = '\0';
	*ev = (struct spawner_event){
		.kind = (enum spawner_event_kind)w.kind,
		.id = m.head.id,
		.slot = m.head.slot,
		.is_started = w.is_started,
		.is_by_watchdog = w.is_by_watchdog,
		.has_result = w.has_result,
		.is_disk_full = w.is_disk_full,
		.is_disk_only = w.is_disk_only,
		.status = w.status,
		.cpu_user_us = w.cpu_user_us,
		.cpu_sys_us = w.cpu_sys_us,
		.memory_peak_bytes = w.memory_peak_bytes,
		.sys = w.sys,
		.text = s->room + sizeof w,
	};
	return 1;
}

static int tell(struct spawner *s, const struct wire_head *head, const struct wire_part *parts, int parts_len,
		const int *fds, int fds_len, struct err *e)
{
	if (wire_send(s->sock, head, parts, parts_len, fds, fds_len, 0) < 0)
		return err_sys(e, "tell the spawner");
	return 0;
}

int spawner_slot(struct spawner *s, int slot, int cwd_fd, int cgroup_fd, struct err *e)
{
	struct wire_head head = { .kind = WIRE_SLOT, .slot = slot };
	int fds[2], n = 0;
	if (cwd_fd >= 0) {
		head.flags |= WIRE_HAS_CWD;
		fds[n++] = cwd_fd;
	}
	if (cgroup_fd >= 0) {
		head.flags |= WIRE_HAS_CGROUP;
		fds[n++] = cgroup_fd;
	}
	return tell(s, &head, NULL, 0, fds, n, e);
}

static uint32_t add_strings(struct buf *b, const char *const *list)
{
	uint32_t n = 0;
	for (; list[n]; n++)
		buf_add(b, list[n], strlen(list[n]) + 1);
	return n;
}

static int put_in_fd(const struct buf *b, struct err *e)
{
	CLEAN_FD int fd = memfd_create("plan", MFD_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "make a memory file");
	return fd_write_all(fd, b->data, b->len, e) < 0 ? -1 : take_fd(&fd);
}

int spawner_start(struct spawner *s, const struct spawner_start *p, struct err *e)
{
	struct wire_head head = { .kind = WIRE_START, .id = p->id, .slot = p->slot };
	struct wire_start fixed = { .files = p->files, .cpu_s = p->cpu_s, .file_bytes = p->file_bytes };
	CLEAN_BUF struct buf strings = BUF_INIT;
	CLEAN_FD int strings_fd = -1;
	int fds[SPAWNER_FDS_MAX], n = 0;
	fixed.argc = add_strings(&strings, p->argv);
	fixed.envc = add_strings(&strings, p->envp);
	const char *host = p->hostname ? p->hostname : "";
	buf_add(&strings, host, strlen(host) + 1);
	if (buf_check(&strings, e) < 0)
		return -1;
	if (strings.len > SPAWNER_PLAN_MAX)
		return err_set(e, ERR_TOO_LARGE, "arguments and environment are over %d bytes",
			       SPAWNER_PLAN_MAX);
	fixed.strings_len = (uint32_t)strings.len;
	head.flags = (p->is_root ? WIRE_ROOT_USER : 0) | (p->net == SPAWNER_NET_NONE ? WIRE_NET_NONE : 0);
	const struct {
		int fd;
		uint32_t flag;
	} extra[] = { { p->out_fd, 0 },
		      { p->cgroup_fd, WIRE_HAS_CGROUP },
		      { p->procs_fds[0], WIRE_HAS_PROCS0 },
		      { p->procs_fds[1], WIRE_HAS_PROCS1 },
		      { p->procs_fds[2], WIRE_HAS_PROCS2 },
		      { p->procs_fds[3], WIRE_HAS_PROCS3 } };
	for (size_t i = 0; i < ARRAY_LEN(extra); i++)
		if (extra[i].fd >= 0) {
			fds[n++] = extra[i].fd;
			head.flags |= extra[i].flag;
		}
	struct wire_part parts[2] = { { &fixed, sizeof fixed }, { strings.data, strings.len } };
	if (strings.len <= STRINGS_INLINE_MAX)
		return tell(s, &head, parts, 2, fds, n, e);
	strings_fd = put_in_fd(&strings, e);
	if (strings_fd < 0)
		return -1;
	fds[n++] = strings_fd;
	head.flags |= WIRE_STRINGS_IN_FD;
	return tell(s, &head, parts, 1, fds, n, e);
}

int spawner_kill(struct spawner *s, uint32_t id, int slot, int sig, struct err *e)
{
	struct wire_head head = { .kind = WIRE_KILL, .id = id, .slot = slot };
	int32_t number = sig;
	return tell(s, &head, &(struct wire_part){ &number, sizeof number }, 1, NULL, 0, e);
}

int spawner_keep_until(struct spawner *s, int64_t boot_ms, struct err *e)
{
	struct wire_head head = { .kind = WIRE_KEEP, .slot = -1 };
	return tell(s, &head, &(struct wire_part){ &boot_ms, sizeof boot_ms }, 1, NULL, 0, e);
}

static int send_task(struct spawner *s, struct wire_head head, int32_t number, const void *arg, size_t len,
		     const int *fds, int fds_len, int *sock, struct err *e)
{
	int ends[2], all[SPAWNER_FDS_MAX];
	if (len > SPAWNER_TASK_ARG_MAX || fds_len >= SPAWNER_FDS_MAX)
		return err_set(e, ERR_TOO_LARGE, "too much for a task");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "make a socket pair");
	CLEAN_FD int ours = ends[0];
	CLEAN_FD int theirs = ends[1];
	all[0] = theirs;
	if (fds_len > 0)
		memcpy(all + 1, fds, sizeof(int) * (size_t)fds_len);
	struct wire_part parts[2] = { { &number, sizeof number }, { arg, len } };
	if (fd_set_nonblocking(ours, e) < 0 || tell(s, &head, parts, len ? 2 : 1, all, fds_len + 1, e) < 0)
		return -1;
	*sock = take_fd(&ours);
	return 0;
}

int spawner_task(struct spawner *s, int task, int slot, const void *arg, size_t len, const int *fds,
		 int fds_len, int *sock, struct err *e)
{
	struct wire_head head = { .kind = WIRE_TASK, .slot = slot };
	return send_task(s, head, task, arg, len, fds, fds_len, sock, e);
}

int spawner_measure(struct spawner *s, int task, int slot, int *sock, struct err *e)
{
	struct wire_head head = { .kind = WIRE_TASK, .slot = slot, .flags = WIRE_UPPER };
	return send_task(s, head, task, NULL, 0, NULL, 0, sock, e);
}

int spawner_root_open(struct spawner *s, const struct spawner_root *r, struct err *e)
{
	struct wire_head head = { .kind = WIRE_ROOT, .id = r->id, .slot = r->slot };
	struct wire_root w = { .memory_bytes = r->memory_bytes,
			       .inodes = r->inodes,
			       .scratch = (int32_t)r->scratch,
			       .has_hosts = r->hosts != NULL,
			       .has_resolv = r->resolv_conf != NULL };
	CLEAN_BUF struct buf texts = BUF_INIT;
	const char *list[] = { r->image, r->hosts ? r->hosts : "", r->resolv_conf ? r->resolv_conf : "",
			       NULL };
	add_strings(&texts, list);
	if (buf_check(&texts, e) < 0)
		return -1;
	struct wire_part parts[2] = { { &w, sizeof w }, { texts.data, texts.len } };
	return tell(s, &head, parts, 2, NULL, 0, e);
}

int spawner_root_close(struct spawner *s, int slot, struct err *e)
{
	struct wire_head head = { .kind = WIRE_UNROOT, .slot = slot };
	return tell(s, &head, NULL, 0, NULL, 0, e);
}

int spawner_image_drop(struct spawner *s, const char *image, struct err *e)
{
	struct wire_head head = { .kind = WIRE_DROP, .slot = -1 };
	return tell(s, &head, &(struct wire_part){ image, strlen(image) }, 1, NULL, 0, e);
}

int spawner_sweep(struct spawner *s, struct err *e)
{
	struct wire_head head = { .kind = WIRE_SWEEP, .slot = -1 };
	return tell(s, &head, NULL, 0, NULL, 0, e);
}
