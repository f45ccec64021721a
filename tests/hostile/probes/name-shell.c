#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "gives a result a name that a shell would run",
	.must = "kept: no shell sees it",
	.artifacts = "$(reboot);`reboot` good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	write_file(out_path("$(reboot);`reboot`"), "x", 1);
}
