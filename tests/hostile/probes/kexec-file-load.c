#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "replaces the kernel by a file",
	.must = "refused before the kernel looks at it",
};

void probe_run(void)
{
	refused("kexec_file_load", syscall(SYS_kexec_file_load, -1, -1, 0, NULL, ~0UL));
}
