#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "picks a mount to change it",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("fspick", syscall(SYS_fspick, -1, "", 0));
}
