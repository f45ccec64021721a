#include <stdio.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "leaves more files than are collected",
	.must = "ended for its output",
	.end = "output",
	.limits = "{\"artifacts\":100}",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	char name[32];
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "%d", i);
		write_file(out_path(name), "x", 1);
	}
}
