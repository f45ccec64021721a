#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "links result.json to a file of the host",
	.must = "not followed",
};

void probe_run(void)
{
	if (symlink("/etc/passwd", "/job/result.json") < 0)
		untried("symlink");
}
