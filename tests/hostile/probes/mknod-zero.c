#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "makes a node of a device that is certainly there",
	.must = "refused, or cannot be opened",
	.is_controlled = true,
};

void probe_run(void)
{
	unlink("/tmp/zero");
	if (mknod("/tmp/zero", S_IFCHR | 0666, makedev(1, 5)) < 0)
		note("mknod is refused");
	else
		no_open("/tmp/zero", O_RDWR);
}
