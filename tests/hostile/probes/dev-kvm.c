#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "opens the hypervisor",
	.must = "refused, or not there",
};

void probe_run(void)
{
	no_open("/dev/kvm", O_RDWR);
	no_open("/dev/vhost-net", O_RDWR);
	no_open("/dev/vhost-vsock", O_RDWR);
}
