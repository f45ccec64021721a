#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "uses the kernel's ciphers",
	.must = "refused: no such family or protocol",
};

void probe_run(void)
{
	refused("socket", socket(AF_ALG, SOCK_SEQPACKET, 0));
}
