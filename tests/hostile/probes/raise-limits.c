#include <sys/resource.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "raises its own limits",
	.must = "refused",
	.limits = "{\"files\":256}",
};

void probe_run(void)
{
	struct rlimit r;
	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_max += 1;
	refused("setrlimit", setrlimit(RLIMIT_NOFILE, &r));
}
