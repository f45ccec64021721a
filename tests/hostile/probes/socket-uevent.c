#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "listens to what the kernel says of devices",
	.must = "refused: no such family or protocol",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("socket", socket(AF_NETLINK, SOCK_RAW, 15));
}
