#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "makes files that cannot be removed",
	.must = "refused, or removed all the same",
};

void probe_run(void)
{
	int flags = FS_IMMUTABLE_FL, fd = open("/job/forever", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0)
		broken("a file cannot be removed any more");
	mkdir("/job/closed", 0700);
	mkdir("/job/closed/inner", 0);
	chmod("/job/closed", 0);
}
