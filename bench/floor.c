/* The floor beneath Slipway: the least that starting processes and keeping their output costs, in plain C with nothing
 * around it. It links nothing of Slipway's, so that it cannot share its mistakes.
 *
 *   floor spawn N SLOTS PROG FOLDER   N times PROG, SLOTS at a time, each one's output by a pipe into a file of its own
 *   floor bare N PROG                 N times PROG one after the other, no output kept
 *   floor log FILE -- CMD…            CMD once, writing straight to FILE
 *
 * Prints one line of JSON with "seconds". */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STACK = 64 * 1024, SLOTS_MAX = 64, ROOM = 64 * 1024 };

struct start {
	char *const *argv;
	int out;
};

struct slot {
	int pidfd, pipe, file;
};

extern char **environ;
static char *stack;
static char room[ROOM];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int child(void *arg)
{
	struct start *s = arg;
	if (s->out >= 0) {
		dup2(s->out, 1);
		dup2(s->out, 2);
	}
	execve(s->argv[0], s->argv, environ);
	_exit(127);
}

/* clone() of libc runs the child on a stack of its own, as CLONE_VM needs. */
static int start(char *const *argv, int out)
{
	extern int clone(int (*)(void *), void *, int, void *, ...);
	struct start s = { argv, out };
	int pidfd = -1;
	if (clone(child, stack + STACK, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &s, &pidfd) < 0)
		die("clone");
	return pidfd;
}

static void reap(int pidfd)
{
	siginfo_t info;
	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		die("waitid");
	if (info.si_code != CLD_EXITED || info.si_status != 0) {
		fprintf(stderr, "the program failed\n");
		exit(1);
	}
	close(pidfd);
}

static void begin(struct slot *s, char *const *argv, const char *folder, long n)
{
	int ends[2];
	char name[4096];
	snprintf(name, sizeof name, "%s/%ld", folder, n);
	s->file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (s->file < 0 || pipe2(ends, O_CLOEXEC) < 0)
		die(name);
	s->pidfd = start(argv, ends[1]);
	s->pipe = ends[0];
	close(ends[1]);
}

/* true: it has ended and its output is kept. */
static int pump(struct slot *s)
{
	ssize_t n = read(s->pipe, room, sizeof room);
	if (n > 0) {
		if (write(s->file, room, (size_t)n) != n)
			die("write");
		return 0;
	}
	close(s->pipe);
	close(s->file);
	reap(s->pidfd);
	return 1;
}

static void run_spawn(long n, int slots, char *prog, const char *folder)
{
	char *argv[2] = { prog, NULL };
	struct slot slot[SLOTS_MAX];
	struct pollfd fds[SLOTS_MAX];
	long begun = 0, ended = 0;
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		die(folder);
	for (int i = 0; i < slots; i++) {
		fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
		if (begun < n) {
			begin(&slot[i], argv, folder, begun++);
			fds[i].fd = slot[i].pipe;
		}
	}
	while (ended < n) {
		if (poll(fds, (nfds_t)slots, -1) < 0)
			die("poll");
		for (int i = 0; i < slots; i++) {
			if (fds[i].fd < 0 || !fds[i].revents || !pump(&slot[i]))
				continue;
			ended++;
			fds[i].fd = -1;
			if (begun < n) {
				begin(&slot[i], argv, folder, begun++);
				fds[i].fd = slot[i].pipe;
			}
		}
	}
}

static void run_bare(long n, char *prog)
{
	char *argv[2] = { prog, NULL };
	while (n-- > 0)
		reap(start(argv, -1));
}

static void run_log(const char *file, char *const *argv)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		die(file);
	reap(start(argv, fd));
	close(fd);
}

int main(int argc, char **argv)
{
	stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		die("mmap");
	const char *what = argc > 1 ? argv[1] : "";
	double t0 = now();
	if (strcmp(what, "spawn") == 0 && argc == 6 && strtol(argv[3], NULL, 10) <= SLOTS_MAX)
		run_spawn(strtol(argv[2], NULL, 10), (int)strtol(argv[3], NULL, 10), argv[4], argv[5]);
	else if (strcmp(what, "bare") == 0 && argc == 4)
		run_bare(strtol(argv[2], NULL, 10), argv[3]);
	else if (strcmp(what, "log") == 0 && argc >= 5 && strcmp(argv[3], "--") == 0)
		run_log(argv[2], argv + 4);
	else {
		fprintf(stderr,
			"usage: floor spawn N SLOTS PROG FOLDER | bare N PROG | log FILE -- CMD...\n");
		return 2;
	}
	printf("{\"mode\":\"%s\",\"seconds\":%.6f}\n", what, now() - t0);
	return 0;
}
