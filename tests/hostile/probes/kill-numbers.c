#include <signal.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "kills by number all processes a machine can have",
	.must = "none of another's can be named",
};

void probe_run(void)
{
	int n = 0;
	for (int pid = 2; pid < 70000; pid++)
		n += pid != getpid() && kill(pid, SIGKILL) == 0;
	if (n)
		broken("%d processes were killed", n);
}
