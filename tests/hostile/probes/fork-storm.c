#include <signal.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "forks and ends as fast as it can, so that no list of its processes is ever right",
	.must = "ended for its time, and nothing of it is left",
	.end = "timeout",
	.timeout_s = 1,
};

static void __attribute__((noreturn)) flee(void)
{
	on_signal(SIGTERM, SIG_IGN);
	for (;;) {
		if (fork() > 0)
			_exit(0);
		setsid();
	}
}

void probe_run(void)
{
	for (int i = 0; i < 8; i++)
		if (fork() == 0)
			flee();
	pause();
}
