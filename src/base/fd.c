#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"

int fd_write_all(int fd, const void *bytes, size_t n, struct err *e)
{
	const char *at = bytes;
	while (n > 0) {
		ssize_t did = write(fd, at, n);
		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return err_sys(e, "write");
		at += did;
		n -= (size_t)did;
	}
	return 0;
}

int fd_read_full(int fd, void *bytes, size_t n, size_t *got, struct err *e)
{
	char *at = bytes;
	*got = 0;
	while (*got < n) {
		ssize_t did = read(fd, at + *got, n - *got);
		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return err_sys(e, "read");
		if (did == 0)
			break;
		*got += (size_t)did;
	}
	return 0;
}

int fd_read_file(int dirfd, const char *path, size_t limit, struct buf *out, struct err *e)
{
	CLEAN_FD int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	size_t start = out->len;
	for (;;) {
		/* One byte more than allowed is asked for: getting it is how a file that is too large shows. */
		size_t left = limit - (out->len - start);
		size_t ask = left < 65536 ? left + 1 : 65536;
		char *at = buf_reserve(out, ask);
		if (!at)
			return buf_check(out, e);
		size_t got;
		if (fd_read_full(fd, at, ask, &got, e) < 0) {
			buf_check(out, NULL);
			return err_wrap(e, "%s", path);
		}
		if (got > left) {
			out->data[out->len] = '\0';
			return err_set(e, ERR_TOO_LARGE, "%s: larger than %zu bytes", path, limit);
		}
		out->len += got;
		out->data[out->len] = '\0';
		if (got < ask)
			return 0;
	}
}

/* Open the folder that `path` lies in; *base is its last part. */
static int open_parent(int dirfd, const char *path, const char **base, struct err *e)
{
	const char *slash = strrchr(path, '/');
	*base = slash ? slash + 1 : path;
	char dir[PATH_MAX];
	size_t n = slash ? (size_t)(slash - path) : 0;
	if (n >= sizeof dir || !**base)
		return err_set(e, ERR_INVALID, "not a file name: %.100s", path);
	if (!slash)
		snprintf(dir, sizeof dir, ".");
	else
		snprintf(dir, sizeof dir, "%.*s", n ? (int)n : 1, path);
	int fd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "open folder %s", dir) : fd;
}

static int write_new_file(int folder, const char *name, const void *bytes, size_t n, mode_t mode,
			  struct err *e)
{
	CLEAN_FD int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_sys(e, "create %s", name);
	/* The mode is exact, whatever the umask. */
	if (fchmod(fd, mode) < 0)
		return err_sys(e, "chmod %s", name);
	if (fd_write_all(fd, bytes, n, e) < 0)
		return err_wrap(e, "%s", name);
	if (fsync(fd) < 0)
		return err_sys(e, "fsync %s", name);
	return 0;
}

int fd_replace_file(int dirfd, const char *path, const void *bytes, size_t n, mode_t mode, struct err *e)
{
	static atomic_uint serial;
	const char *base;
	CLEAN_FD int folder = open_parent(dirfd, path, &base, e);
	if (folder < 0)
		return -1;
	char temp[NAME_MAX + 1];
	snprintf(temp, sizeof temp, ".new-%ld-%u-%.100s", (long)getpid(), atomic_fetch_add(&serial, 1), base);
	if (write_new_file(folder, temp, bytes, n, mode, e) < 0) {
		unlinkat(folder, temp, 0);
		return -1;
	}
	if (renameat(folder, temp, folder, base) < 0) {
		err_sys(e, "rename to %s", path);
		unlinkat(folder, temp, 0);
		return -1;
	}
	return fsync(folder) < 0 ? err_sys(e, "fsync the folder of %s", path) : 0;
}

int fd_open_beneath(int dirfd, const char *path, int flags, struct err *e)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | O_TMPFILE) & ~O_DIRECTORY ? 0600 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;
	/* EAGAIN: a rename elsewhere kept the kernel from being sure that the walk stayed beneath. */
	do
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof how);
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? err_sys(e, "open %s", path) : (int)fd;
}

int fd_mkdirs(const char *path, mode_t mode, struct err *e)
{
	char part[PATH_MAX];
	size_t n = strlen(path);
	if (n == 0 || n >= sizeof part)
		return err_set(e, ERR_INVALID, "not a folder name: %.100s", path);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, mode) == 0)
			continue;
		/* A read-only or forbidden parent says so even for a folder that exists. */
		int why = errno;
		struct stat st;
		if (stat(part, &st) < 0) {
			errno = why;
			return err_sys(e, "make folder %s", part);
		}
		if (!S_ISDIR(st.st_mode)) {
			errno = ENOTDIR;
			return err_sys(e, "make folder %s", part);
		}
	}
	return 0;
}

int fd_set_nonblocking(int fd, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, "set non-blocking");
	return 0;
}
