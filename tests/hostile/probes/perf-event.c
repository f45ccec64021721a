#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "watches the machine by perf events",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}
