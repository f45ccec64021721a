#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "changes the kernel's IPsec tables",
	.must = "refused: no such family or protocol",
};

void probe_run(void)
{
	refused("socket", socket(AF_NETLINK, SOCK_RAW, 6));
}
