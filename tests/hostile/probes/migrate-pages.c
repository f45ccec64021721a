#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "moves all pages of a process",
	.must = "refused before the kernel looks at it",
};

void probe_run(void)
{
	refused("migrate_pages", syscall(SYS_migrate_pages, 0, ~0UL, NULL, NULL));
}
