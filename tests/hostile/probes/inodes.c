#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "makes empty files for ever",
	.must = "ended for its disk: names take room, too",
	.end = "disk",
	.limits = "{\"inodes\":1000}",
	.as = AS_ROOT,
};

void probe_run(void)
{
	char path[64];
	for (int i = 0; i < 20000; i++) {
		snprintf(path, sizeof path, "/job/empty.%d", i);
		if (mknod(path, S_IFREG | 0600, 0) < 0)
			exit(1);
	}
	broken("twenty thousand files fit in");
}
