#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "mounts a file system of its own",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("mount_tmpfs", mount("none", "/tmp", "tmpfs", 0, NULL));
}
