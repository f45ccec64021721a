#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "leaves a link to another result",
	.must = "left out, and the log says so",
	.log = "out/link",
	.artifacts = "good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	if (symlink("good", out_path("link")) < 0)
		untried("symlink");
}
