#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "asks for the handles of files",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
	.as = AS_BUILD,
};

void probe_run(void)
{
	refused("name_to_handle_at", syscall(SYS_name_to_handle_at, -100, "/", NULL, NULL, 0));
}
