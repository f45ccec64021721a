#include <stdio.h>
#include <stdlib.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "says in its log, in the runner's own words, that all went well, and fails",
	.must = "failed: the log is no report",
	.end = "exit",
};

void probe_run(void)
{
	puts("[slipway: the job succeeded]");
	puts("HELD");
	exit(1);
}
