#include <fcntl.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "fills /dev/shm",
	.must = "no room after its own share",
};

void probe_run(void)
{
	static char block[1 << 20];
	int fd = (int)needs("open", open("/dev/shm/fill", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	for (int i = 0; i < 256; i++)
		if (write(fd, block, sizeof block) < 0) {
			note("full after %d MiB", i);
			return;
		}
	broken("256 MiB fit in");
}
