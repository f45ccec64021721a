#include <string.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "writes a line without an end into the log",
	.must = "the log is cut at its limit and says so; the job goes on",
	.end = "succeeded",
	.log = "log limit of 65536 bytes reached; the rest was dropped",
	.limits = "{\"log\":65536}",
};

void probe_run(void)
{
	static char block[65536];
	memset(block, 'x', sizeof block);
	for (int i = 0; i < 500; i++)
		if (write(1, block, sizeof block) < 0)
			return;
}
