#include <fcntl.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "is started in a folder that lies outside of its root",
	.must = "its folder is its own, and has a name",
	.is_controlled = true,
};

void probe_run(void)
{
	char path[4096];
	if (!getcwd(path, sizeof path) || path[0] != '/')
		broken("the folder it was started in has no name inside");
	no_host_below("the folder it was started in", openat(AT_FDCWD, "../../../..", O_PATH | O_CLOEXEC));
}
