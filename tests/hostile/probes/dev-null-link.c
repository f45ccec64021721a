#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "puts a link where /dev/null was, so that the next mask of a file shows another",
	.must = "the next job has a /dev of its own",
};

void probe_run(void)
{
	struct stat st;
	if (stat("/dev/null", &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		broken("/dev/null is not what it must be");
	unlink("/dev/null");
	if (symlink("/proc/sys/kernel/core_pattern", "/dev/null") < 0)
		note("/dev/null cannot be replaced");
	else
		no_open("/dev/null", O_WRONLY);
}
