#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "asks by the oldest call for a file system",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("ustat", syscall(SYS_ustat, 0, NULL));
}
