#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "takes all ports of the machine",
	.must = "refused before the kernel looks at it",
};

void probe_run(void)
{
	refused("iopl", syscall(SYS_iopl, 4));
}
