#include "cli/serve_child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"

enum {
	CONTROL_FD = 3, /* in the child */
	BACKOFF_FIRST_MS = 200,
	BACKOFF_MAX_MS = 10000,
	STEADY_MS = 60000, /* one that ran so long starts again at once */
};

extern char **environ;

/* Its results go nowhere, so that who reads serve's output sees it end with serve. */
static int set_files(posix_spawn_file_actions_t *files, int control_fd)
{
	if (posix_spawn_file_actions_adddup2(files, STDERR_FILENO, STDOUT_FILENO) != 0)
		return -1;
	return posix_spawn_file_actions_adddup2(files, control_fd, CONTROL_FD);
}

/* A group of its own: a terminal's interrupt is serve's to answer. */
static int set_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, pipe;
	sigemptyset(&none);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	if (posix_spawnattr_setsigmask(attr, &none) != 0 || posix_spawnattr_setsigdefault(attr, &pipe) != 0 ||
	    posix_spawnattr_setpgroup(attr, 0) != 0)
		return -1;
	return posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETPGROUP);
}

static int spawn(struct serve_child *c, int control_fd, struct err *e)
{
	char slots[16], fd[16];
	snprintf(slots, sizeof slots, "%d", c->slots);
	snprintf(fd, sizeof fd, "%d", CONTROL_FD);
	const char *argv[] = { "slipway",
			       "worker",
			       "--server",
			       c->server,
			       "--work",
			       c->work_dir,
			       "--slots",
			       slots,
			       "--name",
			       c->name,
			       "--control-fd",
			       fd,
			       c->zones ? "--zone" : NULL,
			       c->zones,
			       NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	int rc = -1;
	if (set_files(&files, control_fd) == 0 && set_attributes(&attr) == 0) {
		/* The strings are not written to: the type is from before const. */
		char *plain[ARRAY_LEN(argv)];
		memcpy(plain, argv, sizeof plain);
		rc = posix_spawn(&c->pid, "/proc/self/exe", &files, &attr, plain, environ);
	}
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	if (rc != 0) {
		c->pid = 0;
		return err_set(e, ERR_SYSTEM, "start the worker: error %d", rc);
	}
	return 0;
}

int serve_child_start(struct serve_child *c, struct err *e)
{
	int ends[2];
	c->restart_ms = 0;
	c->started_ms = clock_boot_ms();
	if (pipe2(ends, O_CLOEXEC))
		return err_sys(e, "start the worker: pipe");
	/* The child's own number must not be that of the end it is copied from: a copy onto itself would stay
	 * close-on-exec in an older C library. */
	CLEAN_FD int theirs = fcntl(ends[0], F_DUPFD_CLOEXEC, 10);
	close(ends[0]);
	int rc = theirs < 0 ? err_sys(e, "start the worker") : spawn(c, theirs, e);
	if (rc == 0) {
		c->control_fd = ends[1];
		c->pid_fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
		if (c->pid_fd >= 0)
			return 0;
		rc = err_sys(e, "watch the worker");
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
		c->pid = 0;
		c->control_fd = -1;
	}
	close(ends[1]);
	return rc;
}

void serve_child_ended(struct serve_child *c, int *status)
{
	*status = 0;
	if (c->pid)
		waitpid(c->pid, status, 0);
	int64_t now_ms = clock_boot_ms();
	if (now_ms - c->started_ms > STEADY_MS)
		c->backoff_ms = 0;
	else
		c->backoff_ms = c->backoff_ms ? c->backoff_ms * 2 : BACKOFF_FIRST_MS;
	if (c->backoff_ms > BACKOFF_MAX_MS)
		c->backoff_ms = BACKOFF_MAX_MS;
	c->restart_ms = now_ms + c->backoff_ms;
	if (c->pid_fd >= 0)
		close(c->pid_fd);
	serve_child_stop(c);
	c->pid_fd = -1;
	c->pid = 0;
}

void serve_child_stop(struct serve_child *c)
{
	if (c->control_fd >= 0)
		close(c->control_fd);
	c->control_fd = -1;
}

void serve_child_kill(struct serve_child *c)
{
	if (c->pid)
		kill(c->pid, SIGKILL);
}
