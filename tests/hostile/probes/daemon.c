#include <signal.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "leaves a daemon that was born twice and ignores signals",
	.must = "the job ends when its program does, and the daemon with it",
};

void probe_run(void)
{
	if (fork() == 0) {
		setsid();
		for (int i = 1; i < 32; i++)
			on_signal(i, SIG_IGN);
		if (fork() > 0)
			_exit(0);
		for (;;)
			pause();
	}
}
