#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "gives a result a name that climbs on another system",
	.must = "kept under that name: it is no path here",
	.artifacts = "..\\evil good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	write_file(out_path("..\\evil"), "x", 1);
}
