#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "gives a result a name that is shown backwards",
	.must = "left out, and the log says so",
	.log = "name may not be used",
	.artifacts = "good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	write_file(out_path("a\u202egnp.exe"), "x", 1);
}
