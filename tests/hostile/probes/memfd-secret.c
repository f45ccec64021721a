#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "hides memory from the kernel itself",
	.must = "refused before the kernel looks at it",
};

void probe_run(void)
{
	refused("memfd_secret", syscall(SYS_memfd_secret, ~0U));
}
