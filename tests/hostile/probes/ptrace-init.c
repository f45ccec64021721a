#include <sys/ptrace.h>
#include <sys/types.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "traces its pid 1",
	.must = "refused ",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("ptrace", ptrace(PTRACE_SEIZE, 1, NULL, NULL));
}
