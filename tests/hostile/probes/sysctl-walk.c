#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "opens every file beneath /proc/sys to write to it",
	.must = "none can be written",
	.is_controlled = true,
};

static int visit(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	int fd = type == FTW_F ? open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	if (fd >= 0)
		broken("%s can be written", path);
	return 0;
}

void probe_run(void)
{
	if (nftw("/proc/sys", visit, 16, FTW_PHYS) < 0)
		untried("/proc/sys");
}
