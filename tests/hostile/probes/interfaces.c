#include <stdio.h>
#include <string.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "looks for network interfaces",
	.must = "a loopback of its own is all there is",
};

void probe_run(void)
{
	char line[512];
	FILE *f = fopen("/proc/self/net/dev", "re");
	while (f && fgets(line, sizeof line, f))
		if (strchr(line, ':') && !strstr(line, " lo:"))
			broken("%s", line);
}
