#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "writes one file for ever",
	.must = "ended for its disk",
	.end = "disk",
	.limits = "{\"disk\":16777216}",
	.timeout_s = 60,
	.as = AS_ROOT,
};

void probe_run(void)
{
	static char block[1 << 20];
	int fd = (int)needs("open", open("/job/fill", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	for (;;)
		if (write(fd, block, sizeof block) < 0)
			exit(1);
}
