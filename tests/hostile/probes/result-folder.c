#include <sys/stat.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "makes result.json a folder",
	.must = "ignored",
};

void probe_run(void)
{
	if (mkdir("/job/result.json", 0777) < 0)
		untried("mkdir");
}
