#include <errno.h>
#include <signal.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "kills its pid 1, and everything else it can see",
	.must = "pid 1 lives, and the neighbour notices nothing",
};

void probe_run(void)
{
	kill(1, SIGKILL);
	kill(1, SIGTERM);
	kill(-1, SIGKILL);
	if (kill(1, 0) < 0 && errno == ESRCH)
		broken("pid 1 is dead");
}
