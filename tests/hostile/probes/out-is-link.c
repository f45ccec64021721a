#include <stdio.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "puts a link to a folder of the host where its results should be",
	.must = "not followed: the job fails",
	.end = "output",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	char path[4096];
	snprintf(path, sizeof path, "%s.old", out_path("."));
	chdir("/job");
	if (rename("out", "old") < 0 || symlink("/etc", "out") < 0)
		untried("symlink");
}
