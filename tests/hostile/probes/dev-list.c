#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "uses every device it finds in /dev",
	.must = "null, zero, full, random, urandom, tty and terminals are all there is",
	.is_controlled = true,
};

void probe_run(void)
{
	DIR *d = opendir("/dev");
	struct stat st;
	for (struct dirent *entry; d && (entry = readdir(d));) {
		if (fstatat(dirfd(d), entry->d_name, &st, 0) < 0)
			continue;
		bool is_harmless = (major(st.st_rdev) == 1 &&
				    strchr("\3\5\7\10\11", (int)minor(st.st_rdev))) ||
				   major(st.st_rdev) == 5 || major(st.st_rdev) == 136;
		if (S_ISBLK(st.st_mode) || (S_ISCHR(st.st_mode) && !is_harmless))
			broken("/dev/%s is there", entry->d_name);
	}
	closedir(d);
}
