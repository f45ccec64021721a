#include <stdlib.h>
#include <sys/shm.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "finds shared memory of the host by its key",
	.must = "not there",
	.is_controlled = true,
};

void probe_run(void)
{
	const char *key = getenv("HOSTILE_KEY");
	if (!key)
		untried("HOSTILE_KEY is not set");
	absent("shmget", shmget((key_t)strtol(key, NULL, 10), 0, 0));
}
