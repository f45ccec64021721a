#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "leaves a daemon that writes into the log for ever",
	.must = "the job ends when its program does, and so does its log",
	.end = "succeeded",
	.limits = "{\"log\":65536}",
};

void probe_run(void)
{
	on_signal(SIGPIPE, SIG_IGN);
	if (fork() == 0)
		for (;;)
			if (write(1, "more\n", 5) < 0)
				pause();
	puts("end");
}
