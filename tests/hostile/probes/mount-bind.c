#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "binds a folder over another",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("mount_bind", mount("/tmp", "/mnt", NULL, MS_BIND, NULL));
}
