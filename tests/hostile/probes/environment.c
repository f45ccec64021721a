#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "finds secrets of the worker in its environment",
	.must = "the worker's environment is not handed on",
	.is_controlled = true,
};

void probe_run(void)
{
	if (getenv("HOSTILE_WORKER"))
		broken("a variable of the worker is there");
	for (char **v = environ; *v; v++)
		if (strstr(*v, "TOKEN") || strncmp(*v, "LD_", 3) == 0)
			broken("%s", *v);
}
