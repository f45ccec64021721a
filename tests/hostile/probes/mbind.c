#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "sets the memory policy of a range",
	.must = "refused before the kernel looks at it",
};

void probe_run(void)
{
	refused("mbind", syscall(SYS_mbind, 1, 1, 99, NULL, 0, 0));
}
