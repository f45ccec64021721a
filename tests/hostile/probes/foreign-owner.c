#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "gives a file to a user who is not mapped",
	.must = "refused: there is no such user in here",
	.is_controlled = true,
};

void probe_run(void)
{
	write_file("/tmp/given", "x", 1);
	if (chown("/tmp/given", 4000000, 4000000) == 0)
		broken("a file was given to a user of the host");
}
