#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "exits with a status that shells use for other things",
	.must = "failed, with that status",
	.end = "exit",
};

void probe_run(void)
{
	_exit(137);
}
