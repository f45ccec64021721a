#include <fcntl.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "leaves a daemon that writes to a result while it is collected",
	.must = "the daemon is dead by then",
	.artifacts = "growing",
	.is_collecting = true,
	.as = AS_ROOT,
	.limits = "{\"disk\":67108864}",
};

void probe_run(void)
{
	int fd = (int)needs("open",
			    open(out_path("growing"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
	if (fork() > 0)
		return;
	while (write(fd, "x", 1) == 1)
		continue;
}
