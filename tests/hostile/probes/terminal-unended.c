#include <stdio.h>

#include "probe.h"

const struct probe probe = {
	.class = TERMINAL,
	.tries = "begins a sequence and never ends it",
	.must = "nothing of it reaches the terminal of who reads the log",
};

void probe_run(void)
{
	puts("\033]0;the rest of the log");
}
