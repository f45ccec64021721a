#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "base/clean.h"
#include "store/store_priv.h"

/* The file stays when the lock is given up: to remove it would let two processes hold locks on two files. */
int store_lock(const char *data_dir, int *out, struct err *e)
{
	CLEAN_FREE char *path = NULL;
	if (asprintf(&path, "%s/lock", data_dir) < 0) {
		path = NULL;
		return err_set(e, ERR_NOMEM, "lock %s", data_dir);
	}
	CLEAN_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	char pid[32] = "";
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_sys(e, "lock %s", path);
		ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
		pid[n > 0 ? n : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		return err_set(e, ERR_BUSY, "%s is in use by process %s", data_dir, *pid ? pid : "(unknown)");
	}
	int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n)
		return err_sys(e, "write %s", path);
	*out = take_fd(&fd);
	return 0;
}
