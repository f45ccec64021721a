#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "compares what processes share, in the kernel's order",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("kcmp", syscall(SYS_kcmp, getpid(), getpid(), 99, 0, 0));
}
