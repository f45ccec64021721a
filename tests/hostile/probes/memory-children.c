#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "takes memory by many small children",
	.must = "ended for its memory",
	.end = "memory",
	.limits = "{\"memory\":33554432}",
	.timeout_s = 60,
};

void probe_run(void)
{
	for (int i = 0; i < 16; i++)
		if (fork() == 0) {
			memset(malloc(8 << 20), 1, 8 << 20);
			pause();
		}
	int status;
	while (wait(&status) > 0)
		if (WIFSIGNALED(status))
			exit(1);
}
