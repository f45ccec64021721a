#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "sets its memory policy",
	.must = "refused before the kernel looks at it",
};

void probe_run(void)
{
	refused("set_mempolicy", syscall(SYS_set_mempolicy, 99, NULL, 0));
}
