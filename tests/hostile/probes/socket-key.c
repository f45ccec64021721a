#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "speaks PF_KEY",
	.must = "refused: no such family or protocol",
};

void probe_run(void)
{
	refused("socket", socket(AF_KEY, SOCK_RAW, 2));
}
