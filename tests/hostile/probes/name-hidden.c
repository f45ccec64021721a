#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "gives a result a hidden name",
	.must = "kept under that name",
	.artifacts = ".hidden good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	write_file(out_path(".hidden"), "x", 1);
}
