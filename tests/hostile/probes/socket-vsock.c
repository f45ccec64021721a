#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "speaks with the machine's hypervisor",
	.must = "refused: no such family or protocol",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("socket", socket(40, SOCK_STREAM, 0));
}
