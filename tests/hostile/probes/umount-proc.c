#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "takes /proc away, to see what is beneath",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("umount2", umount2("/proc", MNT_DETACH));
}
