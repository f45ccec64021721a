#include <grp.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "becomes root, from a build",
	.must = "refused",
	.is_controlled = true,
	.as = AS_BUILD,
};

void probe_run(void)
{
	refused("setuid", setuid(0));
	refused("setgid", setgid(0));
	refused("setgroups", setgroups(0, NULL));
}
