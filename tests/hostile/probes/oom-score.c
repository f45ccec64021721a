#include <fcntl.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "makes others die first when memory runs out",
	.must = "refused",
};

void probe_run(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	absent("oom_score_adj -1000", fd < 0 ? -1 : (int)write(fd, "-1000", 5));
}
