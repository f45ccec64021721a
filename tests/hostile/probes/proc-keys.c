#include <fcntl.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "lists the keys of the machine's users",
	.must = "masked",
};

void probe_run(void)
{
	char bytes[64];
	int fd = open("/proc/keys", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, bytes, sizeof bytes) > 0)
		broken("/proc/keys can be read");
}
