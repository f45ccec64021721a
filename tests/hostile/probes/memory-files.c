#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "takes memory by files that are kept in it",
	.must = "ended for its memory or its disk: what it writes is counted",
	.end = "memory",
	.limits = "{\"memory\":33554432}",
	.timeout_s = 60,
};

void probe_run(void)
{
	static char block[1 << 20];
	memset(block, 1, sizeof block);
	int fd = (int)needs("memfd_create", memfd_create("x", 0));
	for (;;)
		if (write(fd, block, sizeof block) < 0)
			exit(1);
}
