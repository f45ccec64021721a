#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "leaves a device as a result",
	.must = "refused to be made, or left out",
	.artifacts = "good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	if (mknod(out_path("device"), S_IFCHR | 0666, makedev(1, 5)) < 0)
		note("mknod is refused");
}
