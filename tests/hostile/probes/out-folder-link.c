#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "leaves a link to a folder of the host as a folder of results",
	.must = "left out, and the log says so",
	.log = "out/folder",
	.artifacts = "good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	if (symlink("/etc", out_path("folder")) < 0)
		untried("symlink");
}
