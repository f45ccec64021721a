#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "replaces the kernel",
	.must = "refused before the kernel looks at it",
};

void probe_run(void)
{
	refused("kexec_load", syscall(SYS_kexec_load, 0, 99999, NULL, ~0UL));
}
