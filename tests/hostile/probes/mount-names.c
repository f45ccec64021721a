#include <stdio.h>
#include <string.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "learns from the list of mounts where on the host it is",
	.must = "no path of the host is in it",
};

void probe_run(void)
{
	char line[8192];
	const char *host = host_path();
	size_t n = strcspn(host, "/");
	n += 1 + strcspn(host + n + 1, "/");
	FILE *f = fopen("/proc/self/mountinfo", "re");
	while (f && fgets(line, sizeof line, f))
		if (memmem(line, strlen(line), host, n))
			broken("%s", line);
}
