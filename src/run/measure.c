/* How large what an attempt has written on disk is. A scratch in memory has its bounds from the kernel; on disk an ordinary user
 * gets no quota, so the upper layer is walked while the step runs, rarely enough to cost a tenth of one processor at most. What is
 * written between two looks is not noticed in time; the limit of each single file is the kernel's. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/fd.h"
#include "run/driver_priv.h"
#include "run/run_priv.h"
#include "run/task_priv.h"

enum {
	FIRST_LOOK_MS = 500,
	LOOK_MS = 1000,
	LOOK_COST = 10,	 /* times what the last one took */
	DEPTH_MAX = 500, /* folders within each other, each of which holds a descriptor */
};

/* ---- in a child of the spawner: the tree belongs to a job that runs, and changes under our hands */

static void add_folder(struct task_usage *u, int parent, const char *name, int depth);

static void add_entry(struct task_usage *u, int dir, const char *name, int depth)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	u->inodes++;
	/* A file with several names is met by each of them. */
	u->bytes += (int64_t)st.st_blocks * 512 /
		    (S_ISDIR(st.st_mode) || !st.st_nlink ? 1 : (int64_t)st.st_nlink);
	if (S_ISDIR(st.st_mode))
		add_folder(u, dir, name, depth + 1);
}

static void add_folder(struct task_usage *u, int parent, const char *name, int depth)
{
	int fd = depth < DEPTH_MAX ? fd_open_beneath(parent, name, O_RDONLY | O_DIRECTORY, NULL) : -1;
	CLEAN_DIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	u->is_too_deep |= depth >= DEPTH_MAX || (fd < 0 && errno == EMFILE);
	if (fd >= 0 && !d)
		close(fd);
	for (struct dirent *entry; d && !u->is_too_deep && (entry = readdir(d)) != NULL;)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			add_entry(u, fd, entry->d_name, depth);
}

void measure_task(int sock, const void *arg, size_t len, const int *fds, int fds_len, int root_fd)
{
	struct task_usage u = { 0 };
	(void)arg, (void)len, (void)fds, (void)fds_len;
	if (root_fd >= 0)
		add_folder(&u, root_fd, ".", 0);
	task_send(sock, 'U', &u, sizeof u, NULL, 0, -1);
}

/* ---- the owner's side */

void measure_plan(struct run_attempt *a, int64_t now)
{
	const struct job_limits *l = &a->spec.limits;
	a->is_measured = a->is_root_open && chroot_is_on_disk(a) && (l->disk_bytes || l->inodes);
	a->disk_look_ms = a->is_measured ? now + FIRST_LOOK_MS : INT64_MAX;
}

void measure_begin(struct run_attempt *a)
{
	struct err e = ERR_INIT;
	a->measured_ms = clock_boot_ms();
	a->disk_look_ms = INT64_MAX;
	if (spawner_measure(a->driver->spawner(a), TASK_MEASURE, a->slot, &a->task, &e) == 0 &&
	    run_watch(a->run, a->task, SOURCE_TASK, a->slot, &e) == 0)
		return;
	measure_end(a);
	a->disk_look_ms = a->measured_ms + LOOK_MS;
}

static bool is_over(const struct job_limits *l, const struct task_usage *u)
{
	return u->is_too_deep || (l->disk_bytes && u->bytes > l->disk_bytes) ||
	       (l->inodes && u->inodes > l->inodes);
}

void measure_on_task(struct run_attempt *a)
{
	int fd;
	struct task_usage u;
	long n = task_receive(a->task, a->run->room, &fd, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (fd >= 0)
		close(fd);
	measure_end(a);
	int64_t now = clock_boot_ms(), pause_ms = (now - a->measured_ms) * LOOK_COST;
	a->disk_look_ms = now + (pause_ms > LOOK_MS ? pause_ms : LOOK_MS);
	if (n != 1 + (long)sizeof u || a->run->room[0] != 'U')
		return;
	memcpy(&u, a->run->room + 1, sizeof u);
	if (is_over(&a->spec.limits, &u))
		attempt_over_disk(a);
}

void measure_end(struct run_attempt *a)
{
	if (a->task >= 0)
		close(a->task);
	a->task = -1;
}
