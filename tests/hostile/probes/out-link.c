#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "leaves a link to a file of the host as a result",
	.must = "left out, and the log says so; what is good is kept",
	.log = "out/link",
	.artifacts = "good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	if (symlink("/etc/shadow", out_path("link")) < 0)
		untried("symlink");
}
