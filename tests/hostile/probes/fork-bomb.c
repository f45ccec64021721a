#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "forks for ever, each child as well",
	.must = "ended for its number of processes",
	.end = "pids",
	.limits = "{\"pids\":64}",
	.timeout_s = 30,
};

static pid_t own;

static void __attribute__((constructor)) remember(void)
{
	own = getpid();
}

void probe_run(void)
{
	on_signal(SIGTERM, SIG_IGN);
	for (;;)
		if (fork() < 0 && getpid() == own)
			exit(1);
}
