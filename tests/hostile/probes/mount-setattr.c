#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "changes the flags of mounts",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("mount_setattr", syscall(SYS_mount_setattr, -1, "", 0, NULL, 0));
}
