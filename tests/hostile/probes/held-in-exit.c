#include <signal.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "is killed with a thousand processes waiting for each other",
	.must = "all are dead when the job has ended",
	.is_long = true,
};

void probe_run(void)
{
	for (int i = 0; i < 1000; i++)
		if (fork() == 0) {
			on_signal(SIGTERM, SIG_IGN);
			pause();
			_exit(0);
		}
}
