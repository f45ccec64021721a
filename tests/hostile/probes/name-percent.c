#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "gives a result a name that climbs once it is decoded",
	.must = "kept under that name, and never decoded",
	.artifacts = "%2e%2e%2fevil good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	write_file(out_path("%2e%2e%2fevil"), "x", 1);
}
