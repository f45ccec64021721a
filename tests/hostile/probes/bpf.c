#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "loads a program into the kernel",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("bpf", syscall(SYS_bpf, 5, NULL, 0));
}
