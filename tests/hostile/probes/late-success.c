#include <signal.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "exits well when it is told to end for its time",
	.must = "failed for its time",
	.end = "timeout",
	.timeout_s = 1,
};

static void leave(int sig)
{
	(void)sig;
	_exit(0);
}

void probe_run(void)
{
	on_signal(SIGTERM, leave);
	for (;;)
		pause();
}
