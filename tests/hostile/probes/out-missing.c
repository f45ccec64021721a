#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "removes the folder of results",
	.must = "the job fails, and says it",
	.end = "output",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	if (rmdir(out_path("")) < 0)
		untried("rmdir");
}
