#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "takes packets past the kernel's network",
	.must = "refused: no such family or protocol",
};

void probe_run(void)
{
	refused("socket", socket(44, SOCK_RAW, 0));
}
