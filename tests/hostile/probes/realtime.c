#include <sched.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "takes the processors by a real-time policy",
	.must = "refused",
	.is_controlled = true,
};

void probe_run(void)
{
	struct sched_param p = { .sched_priority = 99 };
	refused("sched_setscheduler", sched_setscheduler(0, SCHED_FIFO, &p));
}
