#include <sys/prctl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "looks whether a program may still give rights",
	.must = "it may not: no_new_privs is set",
	.is_controlled = true,
};

void probe_run(void)
{
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		broken("programs can give rights");
}
