#include <sys/uio.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "writes into its pid 1 by process_vm_writev",
	.must = "refused",
	.is_controlled = true,
};

void probe_run(void)
{
	char byte = 0;
	struct iovec here = { &byte, 1 }, there = { (void *)4096, 1 };
	refused("process_vm_writev", process_vm_writev(1, &here, 1, &there, 1, 0));
}
