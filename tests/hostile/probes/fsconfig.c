#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "configures a file system that is being opened",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("fsconfig", syscall(SYS_fsconfig, -1, 0, NULL, NULL, 0));
}
