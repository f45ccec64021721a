#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "leaves a second name of a file that is no result",
	.must = "left out, and the log says so",
	.log = "out/twice",
	.artifacts = "good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	write_file("/job/other", "x", 1);
	if (link("/job/other", out_path("twice")) < 0)
		untried("link");
}
