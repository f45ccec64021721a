#include <stdio.h>

#include "probe.h"

const struct probe probe = {
	.class = TERMINAL,
	.tries = "clears the screen and puts the cursor elsewhere",
	.must = "nothing of it reaches the terminal of who reads the log",
};

void probe_run(void)
{
	puts("\033[2J\033[H");
}
