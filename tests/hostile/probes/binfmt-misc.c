#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "registers an interpreter for all programs of the machine",
	.must = "refused, or not there",
};

void probe_run(void)
{
	no_open("/proc/sys/fs/binfmt_misc/register", O_WRONLY);
}
