#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "sends packets of its own making",
	.must = "refused: no such family or protocol",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("socket", socket(AF_INET, SOCK_RAW, 255));
}
