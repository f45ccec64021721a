#include <stdlib.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "never reaps its children",
	.must = "ended for its number of processes",
	.end = "pids",
	.limits = "{\"pids\":64}",
};

void probe_run(void)
{
	for (;;) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		if (pid < 0)
			exit(1);
	}
}
