#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "mounts an overlay of its own",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("mount_overlay", mount("overlay", "/tmp", "overlay", 0, "lowerdir=/,upperdir=/,workdir=/"));
}
