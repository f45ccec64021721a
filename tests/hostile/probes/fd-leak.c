#include <dirent.h>
#include <stdlib.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "looks for descriptors that the runner forgot to close",
	.must = "input, output and errors are all there is",
	.is_controlled = true,
};

void probe_run(void)
{
	DIR *d = opendir("/proc/self/fd");
	for (struct dirent *entry; d && (entry = readdir(d));) {
		int fd = (int)strtol(entry->d_name, NULL, 10);
		if (entry->d_name[0] != '.' && fd > 2 && fd != dirfd(d))
			broken("descriptor %d is open", fd);
	}
	closedir(d);
}
