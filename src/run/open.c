#include "run/open_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/hash.h"
#include "run/run_priv.h"

enum {
	LOCK_WAIT_MS = 10000,
	HELLO_WAIT_MS = 10000,
	LOG_DELAY_MS = 100,
	STUCK_MS = 30000,
	IMAGES_KEPT = 16,
};

static spawner_task_fn *const tasks[TASKS] = {
	[TASK_INPUTS] = inputs_task,
	[TASK_COLLECT] = collect_task,
	[TASK_UNPACK] = image_task,
	[TASK_MEASURE] = measure_task,
};

static int open_folder(const char *path, mode_t mode, int *fd, struct err *e)
{
	if (fd_mkdirs(path, mode, e) < 0)
		return -1;
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? err_sys(e, "open %s", path) : 0;
}

/* The spawners of a worker that was killed hold the lock until they have killed and swept everything. flock() has no
 * timeout and a signal for it would be the whole program's, so it is asked for again and again. */
static int lock_work(struct run *r, struct err *e)
{
	r->lock_fd = openat(r->work_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (r->lock_fd < 0)
		return err_sys(e, "open the lock of %s", r->work_path);
	int64_t until = clock_boot_ms() + LOCK_WAIT_MS;
	while (flock(r->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, "lock %s", r->work_path);
		if (clock_boot_ms() > until)
			return err_set(e, ERR_BUSY, "%s is in use by another worker", r->work_path);
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
	return 0;
}

/* Groups are named after the folder, by device and inode, which no other folder has at the same time. */
static void open_groups(struct run *r)
{
	struct stat st;
	char tag[48] = "0";
	if (fstat(r->work_fd, &st) == 0)
		snprintf(tag, sizeof tag, "%llx-%llx", (unsigned long long)st.st_dev,
			 (unsigned long long)st.st_ino);
	cgroup_open(&r->cgroup, tag);
	cgroup_sweep(&r->cgroup);
	cgroup_open(&r->cgroup, tag);
}

static void sweep_folders(struct run *r)
{
	fd_remove_tree(r->work_fd, "slots", NULL);
	fd_remove_tree(r->work_fd, "trash", NULL);
}

/* In the native spawner, when the worker and all jobs are gone. */
static void on_orphaned(void *ctx)
{
	struct run *r = ctx;
	cgroup_sweep(&r->cgroup);
	sweep_folders(r);
}

static int make_folders(struct run *r, struct err *e)
{
	sweep_folders(r);
	if (mkdirat(r->work_fd, "slots", 0711) < 0 || mkdirat(r->work_fd, "trash", 0700) < 0)
		return err_sys(e, "make folders in %s", r->work_path);
	return 0;
}

static int open_spawner(struct run *r, bool is_held, struct spawner **out, struct err *e)
{
	struct spawner_options o = {
		.is_held = is_held,
		.work_dir = r->work_path,
		.tasks = tasks,
		.tasks_len = TASKS,
		.held_fds = (const int[]){ r->lock_fd, r->work_fd },
		.held_fds_len = is_held ? 1 : 2,
		.on_orphaned = is_held ? NULL : on_orphaned,
		.ctx = r,
		.is_disk_only = r->options.is_disk_only,
		.ready_ms = r->options.ready_ms,
	};
	if (spawner_open(out, &o, e) < 0)
		return -1;
	return run_watch(r, spawner_fd(*out), is_held ? SOURCE_CHROOT : SOURCE_NATIVE, 0, e);
}

/* Wait for the held spawner to say whether it could make its namespace. */
static int wait_hello(struct run *r, struct err *e)
{
	struct spawner_event ev;
	struct pollfd p = { .fd = spawner_fd(r->chroot), .events = POLLIN };
	int n;
	do
		n = poll(&p, 1, HELLO_WAIT_MS);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return err_set(e, ERR_SYSTEM, "its spawner does not answer");
	if (spawner_next(r->chroot, &ev, e) != 1)
		return -1;
	if (ev.sys)
		return err_set(e, ERR_UNSUPPORTED, "%s", ev.text);
	r->is_disk_only = ev.is_disk_only;
	image_add_known(r, ev.text);
	return 0;
}

static void open_chroot(struct run *r)
{
	struct err e = ERR_INIT;
	if (open_spawner(r, true, &r->chroot, &e) == 0 && wait_hello(r, &e) == 0) {
		r->is_chroot_ready = true;
		return;
	}
	snprintf(r->why_not, sizeof r->why_not, "%s", e.text);
	spawner_close(r->chroot);
	r->chroot = NULL;
}

static void find_home(struct run *r)
{
	const char *home = getenv("HOME");
	r->home = home && *home == '/' ? home : "/";
}

void run_close_fds(struct run *r)
{
	int fds[] = { r->lock_fd, r->work_fd, r->log_fd, r->blob_fd, r->epoll };
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* An attempt may bring thousands of files, each with a descriptor. The spawners, and so the jobs, keep what was. */
static void raise_files(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static int open_all(struct run *r, struct err *e)
{
	const struct run_options *o = &r->options;
	CLEAN_FREE char *logs = NULL;
	if (open_folder(o->work_dir, 0711, &r->work_fd, e) < 0)
		return -1;
	r->work_path = realpath(o->work_dir, NULL);
	r->room = malloc(RUN_ROOM_BYTES);
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!r->work_path || !r->room || r->epoll < 0)
		return err_sys(e, "open %s", o->work_dir);
	if (!o->log_dir && asprintf(&logs, "%s/logs", r->work_path) < 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (lock_work(r, e) < 0 || make_folders(r, e) < 0 ||
	    open_folder(o->log_dir ? o->log_dir : logs, 0750, &r->log_fd, e) < 0)
		return -1;
	if (o->blob_dir && open_folder(o->blob_dir, 0750, &r->blob_fd, e) < 0)
		return -1;
	find_home(r);
	open_groups(r);
	if (open_spawner(r, false, &r->native, e) < 0)
		return -1;
	open_chroot(r);
	raise_files();
	return 0;
}

int run_open(struct run **out, const struct run_options *o, struct err *e)
{
	struct run *r = calloc(1, sizeof *r);
	if (!r)
		return err_set(e, ERR_NOMEM, "out of memory");
	r->options = *o;
	r->lock_fd = r->work_fd = r->log_fd = r->blob_fd = r->epoll = -1;
	if (!r->options.log_delay_ms)
		r->options.log_delay_ms = LOG_DELAY_MS;
	if (!r->options.images_kept)
		r->options.images_kept = IMAGES_KEPT;
	if (!r->options.stuck_ms)
		r->options.stuck_ms = STUCK_MS;
	if (open_all(r, e) < 0) {
		run_close(r);
		return -1;
	}
	*out = r;
	return 0;
}
