#include <fcntl.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "uses the terminal of whoever started the worker",
	.must = "there is none, and the session is its own",
};

void probe_run(void)
{
	no_open("/dev/tty", O_RDWR);
	if (isatty(0) || isatty(1) || isatty(2))
		broken("a terminal was handed down");
	char byte;
	if (read(0, &byte, 1) > 0)
		broken("something comes from standard input");
}
