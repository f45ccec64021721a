#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "speaks Bluetooth",
	.must = "refused: no such family or protocol",
};

void probe_run(void)
{
	refused("socket", socket(31, SOCK_RAW, 1));
}
