#include <fcntl.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "leaves a file of a terabyte without a byte in it",
	.must = "not collected: ended for its output",
	.end = "output",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	int fd = (int)needs("open", open(out_path("sparse"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	if (ftruncate(fd, 1L << 40) < 0)
		write_file(out_path("sparse"), "", 0);
}
