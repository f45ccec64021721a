#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "opens every file of /proc that is the machine's to write to it",
	.must = "none can be written",
	.is_controlled = true,
};

void probe_run(void)
{
	DIR *d = opendir("/proc");
	for (struct dirent *entry; d && (entry = readdir(d));) {
		if (entry->d_type != DT_REG)
			continue;
		int fd = openat(dirfd(d), entry->d_name, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
		struct stat st;
		if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISCHR(st.st_mode))
			broken("/proc/%s can be written", entry->d_name);
	}
}
