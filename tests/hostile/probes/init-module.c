#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "loads a module",
	.must = "refused before the kernel looks at it",
};

void probe_run(void)
{
	refused("init_module", syscall(SYS_init_module, NULL, 0, NULL));
}
