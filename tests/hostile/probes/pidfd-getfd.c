#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "takes descriptors out of its pid 1",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("pidfd_getfd", syscall(SYS_pidfd_getfd, (int)syscall(SYS_pidfd_open, 1, 0), 99, 0));
}
