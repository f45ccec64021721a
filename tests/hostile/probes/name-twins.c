#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "gives two results names that differ in case alone",
	.must = "both are kept",
	.artifacts = "Twin twin",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("Twin"), "1", 1);
	write_file(out_path("twin"), "2", 1);
}
