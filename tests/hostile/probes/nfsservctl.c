#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "speaks with the kernel's NFS server",
	.must = "refused before the kernel looks at it",
};

void probe_run(void)
{
	refused("nfsservctl", syscall(SYS_nfsservctl, 0, NULL, NULL));
}
