#include "sandbox/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "sandbox/filter_priv.h"
#include "sandbox/raw.h"

static int fail(struct child_exec *x, long ret, const char *what)
{
	x->sys = (int)-ret;
	x->what = what;
	return 127;
}

static long set_limits(const struct child_exec *x)
{
	for (int i = 0; i < x->limits_len; i++) {
		const struct child_limit *l = &x->limits[i];
		uint64_t old[2] = { 0, 0 };
		raw6(SYS_prlimit64, 0, l->resource, 0, RAW_P(old), 0, 0);
		/* A limit may be raised only up to the hard one we were given. */
		uint64_t value = l->value > old[1] ? old[1] : l->value;
		uint64_t both[2] = { value, value };
		long r = raw6(SYS_prlimit64, 0, l->resource, RAW_P(both), 0, 0, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Fixed order: the bounding set can only be lowered while we are root, identity goes before the filter because the
 * filter may refuse what identity needs. */
static int confine(struct child_exec *x)
{
	long r;
	for (int cap = 0; cap < 64; cap++)
		if (x->caps_dropped & ((uint64_t)1 << cap))
			raw5(SYS_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0);
	if ((r = raw2(SYS_setgroups, 0, 0)) < 0)
		return fail(x, r, "setgroups");
	if (x->gid && (r = raw3(SYS_setresgid, x->gid, x->gid, x->gid)) < 0)
		return fail(x, r, "setresgid");
	if (x->uid && (r = raw3(SYS_setresuid, x->uid, x->uid, x->uid)) < 0)
		return fail(x, r, "setresuid");
	if ((r = raw5(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) < 0)
		return fail(x, r, "set no_new_privs");
	if (!x->filter)
		return 0;
	/* The list last: it need not allow what installs it. */
	if ((r = raw3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, RAW_P(&x->filter->arguments))) < 0 ||
	    (r = raw3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, RAW_P(&x->filter->calls))) < 0)
		return fail(x, r, "install the system call filter");
	return 0;
}

/* As execvp(): a candidate that isn't there is passed over, but one that may not be run is remembered. */
static int exec_first(struct child_exec *x)
{
	long seen = -ENOENT;
	for (const char *const *p = x->paths; *p; p++) {
		long r = raw3(SYS_execve, RAW_P(*p), RAW_P(x->argv), RAW_P(x->envp));
		if (r == -EACCES)
			seen = r;
		else if (r != -ENOENT && r != -ENOTDIR)
			return fail(x, r, "exec");
	}
	fail(x, seen, "exec");
	return seen == -ENOENT ? 127 : 126;
}

/* The descriptors of the start, in the order of their places: the output, then the groups there are. */
static int take_descriptors(struct child_exec *x, const struct msghdr *m)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return fail(x, -EBADMSG, "take the descriptors");
	const int *fds = (const int *)(const void *)CMSG_DATA(c);
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof *fds, at = 0;
	x->out_fd = fds[at++];
	for (int i = 0; i < CHILD_PROCS_MAX; i++)
		if (x->procs[i] >= 0)
			x->procs[i] = at < n ? fds[at++] : -1;
	return 0;
}

/* Its own socket alone stays open: a pipe of another job that waited here would never end. */
static int wait_to_be_woken(struct child_exec *x)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * (CHILD_PROCS_MAX + 1))];
	} control;
	char byte;
	struct iovec iov;
	struct msghdr m;
	long r;
	if (x->wake_fd != 3 && (r = raw3(SYS_dup3, x->wake_fd, 3, O_CLOEXEC)) < 0)
		return fail(x, r, "dup");
	if ((r = raw3(SYS_close_range, 4, -1L, 0)) < 0)
		return fail(x, r, "close_range");
	iov.iov_base = &byte;
	iov.iov_len = 1;
	m.msg_name = NULL;
	m.msg_namelen = 0;
	m.msg_iov = &iov;
	m.msg_iovlen = 1;
	m.msg_control = control.room;
	m.msg_controllen = sizeof control.room;
	m.msg_flags = 0;
	do
		r = raw3(SYS_recvmsg, 3, RAW_P(&m), MSG_CMSG_CLOEXEC);
	while (r == -EINTR);
	if (r <= 0)
		return fail(x, r, "wait for the start");
	x->is_awake = true;
	return take_descriptors(x, &m);
}

int child_exec(void *arg)
{
	struct child_exec *x = arg;
	long r;
	int failed;
	if ((r = raw0(SYS_setsid)) < 0)
		return fail(x, r, "setsid");
	if (x->is_dying_with_parent)
		raw5(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (x->is_confined && (failed = confine(x)) != 0)
		return failed;
	if (x->wake_fd >= 0 && (failed = wait_to_be_woken(x)) != 0)
		return failed;
	for (int i = 0; i < CHILD_PROCS_MAX; i++)
		if (x->procs[i] >= 0 && (r = raw3(SYS_write, x->procs[i], RAW_P("0"), 1)) < 0)
			return fail(x, r, "enter the control group");
	if ((r = x->cwd_fd >= 0 ? raw1(SYS_fchdir, x->cwd_fd) : raw1(SYS_chdir, RAW_P(x->cwd))) < 0)
		return fail(x, r, "enter the work folder");
	if ((r = raw3(SYS_dup3, x->out_fd, 1, 0)) < 0 || (r = raw3(SYS_dup3, x->out_fd, 2, 0)) < 0)
		return fail(x, r, "dup");
	/* 0 is /dev/null in the spawner already. */
	if ((r = raw3(SYS_close_range, 3, -1L, 0)) < 0)
		return fail(x, r, "close_range");
	if ((r = set_limits(x)) < 0)
		return fail(x, r, "set a resource limit");
	return exec_first(x);
}

static long loopback_up(void)
{
	long s = raw3(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return s;
	struct ifreq req;
	for (size_t i = 0; i < sizeof req; i++)
		((volatile char *)&req)[i] = 0;
	req.ifr_name[0] = 'l';
	req.ifr_name[1] = 'o';
	req.ifr_flags = IFF_UP | IFF_RUNNING;
	long r = raw3(SYS_ioctl, s, SIOCSIFFLAGS, RAW_P(&req));
	raw1(SYS_close, s);
	return r;
}

/* pivot_root(".", ".") puts the old root on top of the new one; detaching "." then drops the old one. */
static long pivot(const char *root)
{
	long r;
	if ((r = raw1(SYS_chdir, RAW_P(root))) < 0)
		return r;
	if ((r = raw2(SYS_pivot_root, RAW_P("."), RAW_P("."))) < 0)
		return r;
	if ((r = raw2(SYS_umount2, RAW_P("."), MNT_DETACH)) < 0)
		return r;
	return raw1(SYS_chdir, RAW_P("/"));
}

static size_t length(const char *s)
{
	size_t n = 0;
	while (s[n])
		n++;
	return n;
}

static long mask(const char *with, const char *path)
{
	long r = raw5(SYS_mount, RAW_P(with), RAW_P(path), 0, MS_BIND, 0);
	return r == -ENOENT ? 0 : r;
}

static long make_readonly(const char *path)
{
	const long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC | MS_NODEV;
	long r = raw5(SYS_mount, RAW_P(path), RAW_P(path), 0, MS_BIND, 0);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : raw5(SYS_mount, 0, RAW_P(path), 0, flags, 0);
}

static long run_op(const struct child_op *op)
{
	switch (op->code) {
	case CHILD_OP_MOUNT:
		return raw5(SYS_mount, RAW_P(op->a), RAW_P(op->b), RAW_P(op->type), (long)op->flags,
			    RAW_P(op->data));
	case CHILD_OP_MASK:
		return mask(op->a, op->b);
	case CHILD_OP_READONLY:
		return make_readonly(op->b);
	case CHILD_OP_PIVOT:
		return pivot(op->b);
	case CHILD_OP_HOSTNAME:
		return raw2(SYS_sethostname, RAW_P(op->a), (long)length(op->a));
	case CHILD_OP_LOOPBACK:
		return loopback_up();
	}
	return -EINVAL;
}

static void add_usage(struct rusage *sum, const struct rusage *ru)
{
	sum->ru_utime.tv_sec += ru->ru_utime.tv_sec;
	sum->ru_utime.tv_usec += ru->ru_utime.tv_usec;
	sum->ru_stime.tv_sec += ru->ru_stime.tv_sec;
	sum->ru_stime.tv_usec += ru->ru_stime.tv_usec;
	if (ru->ru_maxrss > sum->ru_maxrss)
		sum->ru_maxrss = ru->ru_maxrss;
}

/* Send SIGKILL to each child of this process as the kernel lists them. */
static void kill_children(void)
{
	char list[4096];
	long fd = raw6(SYS_openat, AT_FDCWD, RAW_P("/proc/thread-self/children"), O_RDONLY | O_CLOEXEC, 0, 0,
		       0);
	if (fd < 0)
		return;
	long n, pid = 0;
	while ((n = raw3(SYS_read, fd, RAW_P(list), sizeof list)) > 0)
		for (long i = 0; i < n; i++) {
			if (list[i] >= '0' && list[i] <= '9') {
				pid = pid * 10 + (list[i] - '0');
			} else if (pid > 1) {
				raw2(SYS_kill, pid, SIGKILL);
				pid = 0;
			}
		}
	raw1(SYS_close, fd);
}

/* Until no descendant is left: each death hands its children to us. For pid 1 of a namespace -1 is all others in it, and
 * nobody can fork past it. */
static void reap_all(struct child_init *in)
{
	for (;;) {
		struct rusage ru;
		if (in->is_reaper)
			kill_children();
		else
			raw2(SYS_kill, -1, SIGKILL);
		if (raw6(SYS_wait4, -1, 0, 0, RAW_P(&ru), 0, 0) == -ECHILD)
			return;
		add_usage(&in->used, &ru);
	}
}

int child_init(void *arg)
{
	struct child_init *in = arg;
	if (in->is_reaper) {
		raw5(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
		raw5(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	}
	for (size_t i = 0; i < in->ops_len; i++) {
		long r = run_op(&in->ops[i]);
		if (r < 0) {
			in->sys = (int)-r;
			in->what = in->ops[i].what;
			return 1;
		}
	}
	struct clone_args args = {
		.flags = CLONE_VM,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)in->stack,
		.stack_size = in->stack_size,
	};
	long pid = raw_clone(&args, sizeof args, child_exec, in->exec);
	if (pid < 0) {
		in->sys = (int)-pid;
		in->what = "clone";
		return 1;
	}
	if (in->is_killed)
		raw2(SYS_kill, pid, SIGKILL);
	/* Not one descriptor of the spawner's stays with us: least of all the job's pipe. But we hold the socket. */
	bool is_telling = in->exec->wake_fd >= 0 && raw3(SYS_dup3, in->exec->wake_fd, 0, O_CLOEXEC) == 0;
	raw3(SYS_close_range, is_telling ? 1 : 0, -1L, 0);
	for (;;) {
		struct rusage ru;
		int status;
		long got = raw6(SYS_wait4, -1, RAW_P(&status), 0, RAW_P(&ru), 0, 0);
		if (got == -EINTR)
			continue;
		if (got < 0)
			break;
		add_usage(&in->used, &ru);
		if (got == pid) {
			in->status = status;
			break;
		}
	}
	reap_all(in);
	if (is_telling)
		raw3(SYS_write, 0, RAW_P(""), 1);
	return 0;
}
