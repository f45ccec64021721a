#include <stdio.h>

#include "probe.h"

const struct probe probe = {
	.class = TERMINAL,
	.tries = "writes into the clipboard (OSC 52)",
	.must = "nothing of it reaches the terminal of who reads the log",
};

void probe_run(void)
{
	puts("\033]52;c;aG9zdGlsZQ==\007");
}
