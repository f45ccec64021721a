#include <stdio.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "writes lines into the log for ever",
	.must = "the log is cut at its limit and says so; the job goes on",
	.end = "succeeded",
	.log = "log limit of 65536 bytes reached; the rest was dropped",
	.limits = "{\"log\":65536}",
};

void probe_run(void)
{
	for (int i = 0; i < 1000000; i++)
		puts("one line more");
}
