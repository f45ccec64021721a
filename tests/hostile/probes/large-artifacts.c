#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "leaves more bytes than are collected",
	.must = "ended for its output",
	.end = "output",
	.limits = "{\"artifact_bytes\":100000}",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	static char block[1 << 20];
	write_file(out_path("large"), block, sizeof block);
}
