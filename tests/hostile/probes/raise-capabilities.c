#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "raises all capabilities",
	.must = "refused",
};

void probe_run(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct all[2] = { { ~0U, ~0U, ~0U }, { 0x1ff, 0x1ff, 0x1ff } };
	refused("capset", syscall(SYS_capset, &head, all));
}
