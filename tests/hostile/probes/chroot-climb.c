#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "goes into a chroot with a descriptor kept outside, and climbs out of it",
	.must = "refused to a build; to root of the sandbox, leads to the sandbox's own root",
	.is_controlled = true,
};

void probe_run(void)
{
	mkdir("/tmp/inner", 0755);
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (chroot("/tmp/inner") < 0)
		note("chroot is refused");
	else if (fchdir(fd) < 0)
		untried("fchdir");
	for (int i = 0; i < 100 && chdir("..") == 0; i++)
		continue;
	no_host_below("chroot and ..", AT_FDCWD);
}
