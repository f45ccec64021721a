#include <fcntl.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "takes memory by pipes that nobody reads",
	.must = "ended for its memory, or stopped by the limits of pipes",
	.limits = "{\"memory\":67108864,\"files\":512}",
};

void probe_run(void)
{
	static char block[65536];
	for (;;) {
		int ends[2];
		if (pipe(ends) < 0)
			break;
		fcntl(ends[1], F_SETFL, O_NONBLOCK);
		while (write(ends[1], block, sizeof block) > 0)
			continue;
	}
	note("no more pipes");
}
