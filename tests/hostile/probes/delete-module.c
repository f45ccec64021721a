#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "removes a module",
	.must = "refused before the kernel looks at it",
};

void probe_run(void)
{
	refused("delete_module", syscall(SYS_delete_module, "hostile-none", 0));
}
