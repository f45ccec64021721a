#include <sys/ipc.h>
#include <sys/msg.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "fills message queues that outlive their process",
	.must = "they are its own, and go with its namespace",
	.limits = "{\"memory\":268435456}",
};

void probe_run(void)
{
	static char text[8192] = { 1 };
	int n = 0;
	for (; n < 1000; n++) {
		int id = msgget(IPC_PRIVATE, 0600);
		if (id < 0)
			break;
		while (msgsnd(id, text, sizeof text - sizeof(long), IPC_NOWAIT) == 0)
			continue;
	}
	note("%d queues", n);
}
