#include <dirent.h>
#include <stdlib.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "looks for processes of others",
	.must = "it sees a handful of processes, all its own",
};

void probe_run(void)
{
	int n = 0;
	DIR *d = opendir("/proc");
	for (struct dirent *entry; d && (entry = readdir(d));)
		n += (int)strtol(entry->d_name, NULL, 10) > 0;
	closedir(d);
	if (n > 8)
		broken("%d processes can be seen", n);
}
