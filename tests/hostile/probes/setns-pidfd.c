#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "enters all namespaces of its pid 1 at once",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	int fd = (int)syscall(SYS_pidfd_open, 1, 0);
	refused("setns", setns(fd, CLONE_NEWNS | CLONE_NEWIPC));
}
