#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "gives a result a name of dots",
	.must = "kept: it climbs nowhere",
	.artifacts = "... good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	write_file(out_path("..."), "x", 1);
}
