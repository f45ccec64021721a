/* serve's own worker: a child process that is started, watched and started again. Its life hangs on a pipe: when serve
 * ends, however it ends, the worker sees end of file, kills what it runs and exits. Main thread only. */
#ifndef SLIPWAY_CLI_SERVE_CHILD_H
#define SLIPWAY_CLI_SERVE_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

struct serve_child {
	const char *server, *work_dir, *name; /* borrowed */
	const char *zones;		      /* borrowed, joined by commas; NULL = none are said */
	int slots;
	pid_t pid; /* 0 = not running */
	int pid_fd, control_fd;
	int64_t started_ms; /* boot clock */
	int64_t restart_ms; /* when to start it again; 0 = not planned */
	int64_t backoff_ms;
};

#define SERVE_CHILD_INIT                       \
	{                                      \
		.pid_fd = -1, .control_fd = -1 \
	}

int serve_child_start(struct serve_child *c, struct err *e);
/* It is readable on pid_fd: take its status, plan the next start. *status is as of waitpid(). */
void serve_child_ended(struct serve_child *c, int *status);
/* Ask it to stop; serve_child_ended() follows. */
void serve_child_stop(struct serve_child *c);
void serve_child_kill(struct serve_child *c);

#endif
