#include <stdio.h>
#include <string.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "learns from its control group where on the host it is",
	.must = "every group is called /",
	.known =
		"with v1 groups it joins the one of its limits after its namespace is made, and can read that name",
};

void probe_run(void)
{
	char line[4096];
	FILE *f = fopen("/proc/self/cgroup", "re");
	while (f && fgets(line, sizeof line, f)) {
		const char *name = strrchr(line, ':');
		if (name && strcmp(name, ":/\n") != 0 && !strstr(name, "/.."))
			broken("%s", line);
	}
}
