#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "maps another user of the host into its namespace",
	.must = "refused",
};

void probe_run(void)
{
	int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	refused("uid_map", fd < 0 ? -1 : (int)write(fd, "0 0 1", 5));
	FILE *f = fopen("/proc/self/uid_map", "re");
	unsigned inside, outside, count;
	if (f && fscanf(f, "%u %u %u", &inside, &outside, &count) == 3 && outside == 0)
		broken("root of the host is mapped");
}
