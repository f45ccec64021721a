#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "fills its disk with a file that has no name any more",
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
	static char block[1 << 20];
	int fd = (int)needs("open", open("/job/fill", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	unlink("/job/fill");
	for (;;)
		if (write(fd, block, sizeof block) < 0)
			exit(1);
}
