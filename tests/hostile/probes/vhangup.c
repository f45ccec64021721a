#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "hangs up a terminal",
	.must = "refused before the kernel looks at it",
};

void probe_run(void)
{
	refused("vhangup", syscall(SYS_vhangup));
}
