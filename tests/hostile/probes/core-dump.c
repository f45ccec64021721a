#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "crashes with a large core allowed",
	.must = "no core file; the crash is its own",
	.end = "signal",
};

void probe_run(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	if (setrlimit(RLIMIT_CORE, &all) == 0 && geteuid() != 0)
		note("cores may be written");
	abort();
}
