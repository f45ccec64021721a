#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "gives a result the name of an option",
	.must = "kept: nothing takes it for an option",
	.artifacts = "-rf good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	write_file(out_path("-rf"), "x", 1);
}
