#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "takes memory by System V segments, which outlive their process",
	.must = "ended for its memory; the segments go with their namespace",
	.end = "memory",
	.limits = "{\"memory\":33554432}",
	.timeout_s = 60,
};

void probe_run(void)
{
	for (;;) {
		int id = shmget(IPC_PRIVATE, 4 << 20, 0600);
		char *p = id < 0 ? (char *)-1 : shmat(id, NULL, 0);
		if (p == (char *)-1)
			exit(1);
		memset(p, 1, 4 << 20);
	}
}
