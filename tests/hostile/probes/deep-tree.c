#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "leaves folders in folders, two thousand deep",
	.must = "not collected: ended for its output, and removed",
	.end = "output",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	if (chdir(out_path("")) < 0)
		untried("chdir");
	for (int i = 0; i < 2000; i++)
		if (mkdir("folder", 0755) < 0 || chdir("folder") < 0)
			exit(1);
}
