#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "makes a node of the first disk",
	.must = "refused, or cannot be opened",
};

void probe_run(void)
{
	mode_t mode = S_IFBLK | 0666;
	if (mknod("/tmp/disk", mode, makedev(8, 0)) < 0)
		note("mknod is refused");
	else
		no_open("/tmp/disk", O_RDONLY);
}
