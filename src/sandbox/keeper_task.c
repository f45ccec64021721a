#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "sandbox/keeper_priv.h"

/* Everything but stderr and what the child works with. The lock of the work folder goes too: a task is never
 * outlived by its spawner. */
static void close_others(const int *keep, int keep_len)
{
	int from = 3;
	for (;;) {
		int next = -1;
		for (int i = 0; i < keep_len; i++)
			if (keep[i] >= from && (next < 0 || keep[i] < next))
				next = keep[i];
		if (next < 0)
			break;
		if (next > from)
			close_range((unsigned)from, (unsigned)next - 1, 0);
		from = next + 1;
	}
	close_range((unsigned)from, ~0U, 0);
}

static void run_task(struct keeper *k, const struct wire_message *m, int root_fd)
{
	int32_t task;
	int keep[SPAWNER_FDS_MAX + 1];
	memcpy(&task, m->body, sizeof task);
	memcpy(keep, m->fds, sizeof(int) * (size_t)m->fds_len);
	keep[m->fds_len] = root_fd;
	close_others(keep, m->fds_len + 1);
	k->options->tasks[task](m->fds[0], m->body + sizeof task, m->len - sizeof task, m->fds + 1,
				m->fds_len - 1, root_fd);
	_exit(0);
}

/* In the child. */
static int open_place(const struct wire_message *m, const struct keeper_slot *s)
{
	char upper[KEEPER_PATH_BYTES + 2];
	if (!s || !(m->head.flags & WIRE_UPPER))
		return s ? s->root.fd : -1;
	snprintf(upper, sizeof upper, "%s/u", s->root.scratch);
	return s->root.is_open ? open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

void keeper_task(struct keeper *k, struct wire_message *m)
{
	int32_t task;
	if (m->len < sizeof task || !m->fds_len || (size_t)k->tasks_len == ARRAY_LEN(k->tasks))
		return;
	memcpy(&task, m->body, sizeof task);
	if (task < 0 || task >= k->options->tasks_len)
		return;
	int slot = m->head.slot;
	struct keeper_slot *s = slot >= 0 && slot < SPAWNER_SLOTS_MAX ? k->slots[slot] : NULL;
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* In a pid namespace's first process getpid() is 1 and so is ours to see. */
		if (getppid() != parent)
			_exit(1);
		run_task(k, m, open_place(m, s));
	}
	/* No child: the owner sees its socket end without an answer. */
	if (pid > 0)
		k->tasks[k->tasks_len++] = pid;
}

bool keeper_task_ended(struct keeper *k, pid_t pid)
{
	if (pid == k->sweeper) {
		k->sweeper = 0;
		close(k->sweeper_fd);
		k->sweeper_fd = -1;
		return true;
	}
	for (int i = 0; i < k->tasks_len; i++)
		if (k->tasks[i] == pid) {
			k->tasks[i] = k->tasks[--k->tasks_len];
			return true;
		}
	return false;
}

static void sweep_once(int trash_fd)
{
	int fd = openat(trash_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEAN_DIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return;
	for (struct dirent *entry; (entry = readdir(d)) != NULL;)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			fd_remove_tree(trash_fd, entry->d_name, NULL);
}

/* A process that stays: it sweeps once for each wake-up (several are one) and once more when its pipe ends. */
static void run_sweeper(int wake_fd, int trash_fd)
{
	char bytes[256];
	setpriority(PRIO_PROCESS, 0, 10);
	for (;;) {
		ssize_t n = read(wake_fd, bytes, sizeof bytes);
		if (n < 0 && errno == EINTR)
			continue;
		sweep_once(trash_fd);
		if (n <= 0)
			_exit(0);
	}
}

static void start_sweeper(struct keeper *k)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		int keep[2] = { ends[0], k->trash_fd };
		close_others(keep, 2);
		fcntl(ends[0], F_SETFL, 0);
		run_sweeper(ends[0], k->trash_fd);
	}
	close(ends[0]);
	if (pid < 0) {
		close(ends[1]);
		return;
	}
	k->sweeper = pid;
	k->sweeper_fd = ends[1];
}

void keeper_sweep(struct keeper *k)
{
	if (k->trash_fd < 0)
		return;
	if (k->sweeper_fd < 0)
		start_sweeper(k);
	/* A full pipe wakes it as well. */
	if (k->sweeper_fd >= 0 && write(k->sweeper_fd, "", 1) < 0 && errno == EPIPE)
		k->sweeper_fd = -1;
}

void keeper_tasks_end(struct keeper *k)
{
	for (int i = 0; i < k->tasks_len; i++) {
		kill(k->tasks[i], SIGKILL);
		waitpid(k->tasks[i], NULL, 0);
	}
	k->tasks_len = 0;
	if (k->sweeper > 0) {
		close(k->sweeper_fd);
		waitpid(k->sweeper, NULL, 0);
	}
	if (k->trash_fd >= 0)
		sweep_once(k->trash_fd);
}
