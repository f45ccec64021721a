#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "writes small files for ever",
	.must = "ended for its disk",
	.end = "disk",
	.limits = "{\"disk\":16777216}",
	.timeout_s = 60,
	.as = AS_ROOT,
};

void probe_run(void)
{
	static char block[4096];
	char path[64];
	for (int i = 0;; i++) {
		snprintf(path, sizeof path, "/job/fill.%d", i);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || write(fd, block, sizeof block) < (long)sizeof block)
			exit(1);
		close(fd);
	}
}
