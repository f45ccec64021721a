#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "opens any file of the file system by a guessed handle",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("open_by_handle_at", syscall(SYS_open_by_handle_at, -100, NULL, 0));
}
