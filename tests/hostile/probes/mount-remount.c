#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "makes /proc/sys writable again",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("mount_remount", mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
}
