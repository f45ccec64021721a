#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "speaks RDS",
	.must = "refused: no such family or protocol",
};

void probe_run(void)
{
	refused("socket", socket(21, SOCK_SEQPACKET, 0));
}
