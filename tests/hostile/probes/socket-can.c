#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "speaks on a CAN bus",
	.must = "refused: no such family or protocol",
};

void probe_run(void)
{
	refused("socket", socket(29, SOCK_RAW, 1));
}
