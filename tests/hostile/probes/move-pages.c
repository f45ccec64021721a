#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "moves pages of a process between nodes",
	.must = "refused before the kernel looks at it",
};

void probe_run(void)
{
	refused("move_pages", syscall(SYS_move_pages, 0, 1, NULL, NULL, NULL, 99));
}
