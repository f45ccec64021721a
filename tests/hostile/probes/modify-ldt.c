#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "writes a segment into its descriptor table",
	.must = "refused before the kernel looks at it",
};

void probe_run(void)
{
	refused("modify_ldt", syscall(SYS_modify_ldt, 99, NULL, 0));
}
