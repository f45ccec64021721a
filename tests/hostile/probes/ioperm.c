#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "takes some ports of the machine",
	.must = "refused before the kernel looks at it",
};

void probe_run(void)
{
	refused("ioperm", syscall(SYS_ioperm, 70000, 1, 1));
}
