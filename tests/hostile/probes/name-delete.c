#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "gives a result a name with a DEL in it",
	.must = "left out, and the log says so",
	.log = "name may not be used",
	.artifacts = "good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	write_file(out_path("a\177b"), "x", 1);
}
