#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "types into its terminal (TIOCSTI)",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY);
	if (fd < 0)
		untried("no terminal");
	refused("TIOCSTI", ioctl(fd, TIOCSTI, "x"));
	refused("TIOCSTI with a high bit", ioctl(fd, TIOCSTI | 1UL << 32, "x"));
}
