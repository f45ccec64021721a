#include <fcntl.h>
#include <sched.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "enters the mount namespace of its pid 1",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	int fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
	refused("setns", setns(fd, 0));
}
