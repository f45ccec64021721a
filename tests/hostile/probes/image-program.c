#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "overwrites a program of the image, which all jobs share",
	.must = "the next job has the image's own again",
	.as = AS_ROOT,
};

void probe_run(void)
{
	char first[4] = "";
	int fd = open("/probes/neighbour", O_RDWR | O_CLOEXEC);
	if (fd >= 0 && pread(fd, first, 4, 0) == 4 && memcmp(first, "\177ELF", 4) != 0)
		broken("it was overwritten by another job");
	if (fd >= 0 && pwrite(fd, "hurt", 4, 0) != 4)
		note("it cannot be written");
}
