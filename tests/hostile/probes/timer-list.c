#include <fcntl.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "reads addresses of the kernel",
	.must = "what tells them is masked",
	.is_controlled = true,
};

void probe_run(void)
{
	char bytes[64];
	int fd = open("/proc/timer_list", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, bytes, sizeof bytes) > 0)
		broken("/proc/timer_list can be read");
}
