#include <sys/resource.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "takes the processors by a high priority",
	.must = "refused",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("setpriority", setpriority(PRIO_PROCESS, 0, -20));
}
