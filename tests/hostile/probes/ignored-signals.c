#include <signal.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "ignores every signal there is",
	.must = "killed when its time is up, and the time to end by itself",
	.end = "timeout",
	.timeout_s = 1,
	.is_long = true,
};

void probe_run(void)
{
	for (int i = 1; i < 65; i++)
		on_signal(i, SIG_IGN);
	for (;;)
		pause();
}
