#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "allows itself user namespaces by /proc/sys",
	.must = "not writable",
};

void probe_run(void)
{
	no_open("/proc/sys/user/max_user_namespaces", O_WRONLY);
}
