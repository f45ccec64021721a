#include <stdio.h>

#include "probe.h"

const struct probe probe = {
	.class = TERMINAL,
	.tries = "switches the character set, so that all that follows is unreadable",
	.must = "nothing of it reaches the terminal of who reads the log",
};

void probe_run(void)
{
	puts("\016\033(0");
}
