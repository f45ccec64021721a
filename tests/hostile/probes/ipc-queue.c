#include <fcntl.h>
#include <mqueue.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "finds a message queue of the host by its name",
	.must = "not there",
	.is_controlled = true,
};

void probe_run(void)
{
	absent("mq_open", mq_open(bait("/"), O_RDONLY));
}
