#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "makes a call by the numbers of x32",
	.must = "killed",
	.is_controlled = true,
	.end = "signal",
};

void probe_run(void)
{
	broken("getpid gave %ld", syscall(0x40000000 + 39));
}
