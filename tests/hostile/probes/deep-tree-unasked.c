#include <sys/stat.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "leaves folders in folders where nobody collects",
	.must = "removed",
};

void probe_run(void)
{
	if (chdir("/tmp") < 0)
		untried("chdir");
	for (int i = 0; i < 5000; i++)
		if (mkdir("a-folder-with-a-rather-long-name-that-makes-paths-long", 0755) < 0 ||
		    chdir("a-folder-with-a-rather-long-name-that-makes-paths-long") < 0)
			return;
}
