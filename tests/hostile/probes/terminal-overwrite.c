#include <stdio.h>

#include "probe.h"

const struct probe probe = {
	.class = TERMINAL,
	.tries = "writes over what it wrote before",
	.must = "nothing of it reaches the terminal of who reads the log",
};

void probe_run(void)
{
	puts("bad\b\b\bgood\n\033[A\033[2Kfine");
}
