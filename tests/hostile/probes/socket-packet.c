#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "reads all packets of a link",
	.must = "refused: no such family or protocol",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("socket", socket(AF_PACKET, SOCK_RAW, 0));
}
