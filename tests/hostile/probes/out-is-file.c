#include <stdio.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "puts a file where its results should be",
	.must = "the job fails, and says it",
	.end = "output",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	if (chdir("/job") < 0 || rename("out", "old") < 0)
		untried("rename");
	write_file("out", "x", 1);
}
