#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "speaks MPTCP",
	.must = "refused: no such family or protocol",
};

void probe_run(void)
{
	refused("socket", socket(AF_INET, SOCK_STREAM, 262));
}
