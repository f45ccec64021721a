#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "puts a key where namespaces do not keep users apart",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	refused("add_key", syscall(SYS_add_key, "user", "hostile", "x", 1, -1));
}
