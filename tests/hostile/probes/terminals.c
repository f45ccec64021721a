#include <fcntl.h>
#include <stdlib.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "opens terminals until there are none",
	.must = "they are its own, and go with it",
};

void probe_run(void)
{
	int n = 0;
	while (n < 500 && posix_openpt(O_RDWR | O_NOCTTY) >= 0)
		n++;
	note("%d terminals", n);
}
