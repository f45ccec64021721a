#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "speaks SMC",
	.must = "refused: no such family or protocol",
};

void probe_run(void)
{
	refused("socket", socket(43, SOCK_STREAM, 0));
}
