#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "leaves a daemon that holds its output open",
	.must = "the job ends when its program does",
};

void probe_run(void)
{
	if (fork() == 0)
		for (;;)
			pause();
}
