#include <sys/stat.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "leaves a result that nobody may read",
	.must = "kept or the job fails with a reason; never the collector's own fault",
	.artifacts = "closed",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("closed"), "x", 1);
	chmod(out_path("closed"), 0);
}
