#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "moves itself out of its control group",
	.must = "no cgroup file system is there",
	.is_controlled = true,
};

void probe_run(void)
{
	no_open("/sys/fs/cgroup/cgroup.procs", O_WRONLY);
	no_open("/sys/fs/cgroup/memory/cgroup.procs", O_WRONLY);
	no_open("/sys/fs/cgroup/unified/cgroup.procs", O_WRONLY);
}
