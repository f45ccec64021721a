#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "reserves its disk without writing (fallocate)",
	.must = "ended for its disk",
	.end = "disk",
	.limits = "{\"disk\":16777216}",
	.timeout_s = 60,
	.as = AS_ROOT,
	.known =
		"the limit holds, but the reason given is exit: when the disk is looked at, it is not full any more",
};

void probe_run(void)
{
	int fd = (int)needs("open", open("/job/fill", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	for (long i = 0;; i++)
		if (fallocate(fd, 0, i << 20, 1 << 20) < 0)
			exit(1);
}
