#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clean.h"
#include "sandbox/keeper_priv.h"

/* Signal every process named in a file of numbers; then those under them if `is_deep`. */
static void signal_listed(int dirfd, const char *path, int sig, int depth);

static void signal_descendants(pid_t pid, int sig, int depth)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
	if (depth < 64)
		signal_listed(AT_FDCWD, path, sig, depth + 1);
}

static void signal_listed(int dirfd, const char *path, int sig, int depth)
{
	CLEAN_FD int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	CLEAN_FILE FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f)
		return;
	fd = -1;
	int pid;
	while (fscanf(f, "%d", &pid) == 1) {
		if (pid <= 1)
			continue;
		/* Down first: what has ended hands its children to somebody else. */
		if (depth)
			signal_descendants(pid, sig, depth);
		kill(pid, sig);
	}
}

static int group_of(const struct keeper_slot *s)
{
	return s->own_group_fd >= 0 ? s->own_group_fd : s->group_fd;
}

void tree_signal(struct keeper *k, struct keeper_slot *s, int sig)
{
	int group = group_of(s);
	s->is_signalled = true;
	if (k->is_held && sig == SIGKILL) {
		/* Pid 1 of a pid namespace takes all of it along. */
		syscall(SYS_pidfd_send_signal, s->proc->pidfd, SIGKILL, NULL, 0);
	} else if (k->is_held || s->is_reaper) {
		s->proc->init.is_killed |= sig == SIGKILL;
		signal_descendants(s->proc->pid, sig, 1);
	} else if (sig == SIGKILL) {
		CLEAN_FD int fd = openat(group, "cgroup.kill", O_WRONLY | O_CLOEXEC);
		s->is_group_spent |= s->own_group_fd < 0;
		if (fd < 0 || write(fd, "1", 1) < 0)
			signal_listed(group, "cgroup.procs", SIGKILL, 0);
	} else {
		signal_listed(group, "cgroup.procs", sig, 0);
	}
}

static bool is_populated(int events_fd)
{
	char text[128];
	ssize_t n = pread(events_fd, text, sizeof text - 1, 0);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return strstr(text, "populated 1") != NULL;
}

static int events_of(struct keeper_slot *s)
{
	int *fd = s->own_group_fd >= 0 ? &s->own_events_fd : &s->events_fd;
	if (*fd < 0)
		*fd = openat(group_of(s), "cgroup.events", O_RDONLY | O_CLOEXEC);
	return *fd;
}

bool tree_is_gone(struct keeper *k, struct keeper_slot *s)
{
	/* A namespace's pid 1 and a reaper are reaped only after all others. */
	if (k->is_held || s->is_reaper)
		return true;
	int events = events_of(s);
	if (events < 0 || !is_populated(events)) {
		if (s->is_watching_events)
			epoll_ctl(k->epoll, EPOLL_CTL_DEL, events, NULL);
		s->is_watching_events = false;
		return true;
	}
	if (!s->is_watching_events) {
		s->is_watching_events = keeper_watch(k, events, EPOLLPRI, SOURCE_GROUP, s->number) == 0;
		tree_signal(k, s, SIGKILL);
		/* They may have gone between our look and our watch. */
		return tree_is_gone(k, s);
	}
	return false;
}

static void group_name(const struct keeper_slot *s, char out[32])
{
	if (s->generation)
		snprintf(out, 32, "s%d.%d", s->number, s->generation);
	else
		snprintf(out, 32, "s%d", s->number);
}

/* Linux 6.14 and later compare a counter of kills to catch forks that race with cgroup.kill, but take its first value from the
 * parent's group: whoever is born into a group that was killed once dies at once. So such a group is replaced. */
void tree_renew_group(struct keeper_slot *s)
{
	char name[32];
	if (!s->is_group_spent || s->group_fd < 0)
		return;
	CLEAN_FD int home = openat(s->group_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	group_name(s, name);
	unlinkat(home, name, AT_REMOVEDIR);
	s->generation++;
	group_name(s, name);
	int fresh = mkdirat(home, name, 0755) < 0 ? -1
						  : openat(home, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fresh < 0)
		return;
	if (s->events_fd >= 0)
		close(s->events_fd);
	s->events_fd = -1;
	close(s->group_fd);
	s->group_fd = fresh;
	s->is_group_spent = false;
}
