#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "starts threads for ever",
	.must = "ended for its number of processes",
	.end = "pids",
	.limits = "{\"pids\":64}",
};

static void *wait_for_ever(void *arg)
{
	pause();
	return arg;
}

void probe_run(void)
{
	pthread_t thread;
	while (pthread_create(&thread, NULL, wait_for_ever, NULL) == 0)
		continue;
	exit(1);
}
