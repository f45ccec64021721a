#include <stdio.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "takes the filter of system calls away",
	.must = "it is there, and stays",
	.is_controlled = true,
};

void probe_run(void)
{
	char line[256];
	int mode = 0;
	FILE *f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof line, f))
		sscanf(line, "Seccomp: %d", &mode);
	if (mode != 2)
		broken("there is no filter");
}
