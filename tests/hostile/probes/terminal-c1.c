#include <stdio.h>

#include "probe.h"

const struct probe probe = {
	.class = TERMINAL,
	.tries = "does it with the eight-bit controls",
	.must = "nothing of it reaches the terminal of who reads the log",
};

void probe_run(void)
{
	puts("\2332J\2350;hostile\234");
}
