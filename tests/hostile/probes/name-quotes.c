#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "gives a result a name with quotes and markup",
	.must = "kept, and escaped where it is shown",
	.artifacts = "'<b> good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	write_file(out_path("'<b>"), "x", 1);
}
