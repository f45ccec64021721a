#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "loads a library by the call that had the holes",
	.must = "refused before the kernel looks at it",
};

void probe_run(void)
{
	refused("uselib", syscall(SYS_uselib, "/nowhere"));
}
