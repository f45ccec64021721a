/* fd_remove_tree(): whatever a job left behind, however deep and however named.
 *
 * The walk holds one descriptor, not one per level, so that no depth can exhaust them: it goes down by
 * openat(name) and up by openat("..") and checks on the way up that it arrived where it came from. After each
 * folder removed the reading starts anew; what was read before is gone by then. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"

struct level {
	struct level *up;
	dev_t dev; /* of the folder that holds `name` */
	ino_t ino;
	char name[];
};

static int push(struct level **top, int folder, const char *name, struct err *e)
{
	struct stat st;
	if (fstat(folder, &st) < 0)
		return err_sys(e, "stat the folder of %s", name);
	size_t n = strlen(name) + 1;
	struct level *l = malloc(sizeof *l + n);
	if (!l)
		return err_set(e, ERR_NOMEM, "out of memory");
	l->up = *top;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	memcpy(l->name, name, n);
	*top = l;
	return 0;
}

static void pop(struct level **top)
{
	struct level *l = *top;
	*top = l->up;
	free(l);
}

static int open_folder(int parent, const char *name, struct err *e)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(parent, name, flags);
	struct stat st;
	/* A job may leave folders that their owner may not read. A link put in the folder's place meanwhile is not
	 * followed: only what lstat calls a folder is changed, and the open is O_NOFOLLOW again. */
	if (fd < 0 && errno == EACCES && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode)) {
		CLEAN_FD int handle = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		char self[64];
		snprintf(self, sizeof self, "/proc/self/fd/%d", handle);
		if (handle >= 0 && chmod(self, 0700) == 0)
			fd = openat(parent, name, flags);
	}
	return fd < 0 ? err_sys(e, "open folder %s", name) : fd;
}

/* Open the folder `name` of `parent` unless another file system is mounted on it. */
static int descend(int parent, const char *name, struct err *e)
{
	CLEAN_FD int fd = open_folder(parent, name, e);
	struct stat here, there;
	if (fd < 0)
		return -1;
	if (fstat(parent, &here) < 0 || fstat(fd, &there) < 0)
		return err_sys(e, "stat %s", name);
	if (here.st_dev != there.st_dev)
		return err_set(e, ERR_BUSY, "%s: another file system is mounted there", name);
	return take_fd(&fd);
}

static int ascend(int folder, const struct level *from, struct err *e)
{
	CLEAN_FD int up = openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	if (up < 0 || fstat(up, &st) < 0)
		return err_sys(e, "leave %s", from->name);
	if (st.st_dev != from->dev || st.st_ino != from->ino)
		return err_set(e, ERR_BUSY, "%s was moved while it was being removed", from->name);
	return take_fd(&up);
}

/* Remove one entry. 1: it is a folder with something in it. */
static int remove_entry(int folder, const char *name, struct err *e)
{
	if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM && errno != EACCES)
		return err_sys(e, "remove %s", name);
	int why = errno;
	if (unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno == ENOTEMPTY || errno == EEXIST)
		return 1;
	if (errno == ENOTDIR)
		errno = why;
	return err_sys(e, "remove %s", name);
}

/* Remove what `folder` holds up to the first folder that isn't empty: that one's name comes in `deeper`, 1. */
static int clear_folder(int folder, char deeper[static 256], struct err *e)
{
	int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEAN_DIR DIR *dir = own < 0 ? NULL : fdopendir(own);
	if (!dir) {
		err_sys(e, "read a folder");
		if (own >= 0)
			close(own);
		return -1;
	}
	/* Entries under a folder without write permission of its owner. */
	if (faccessat(folder, ".", W_OK | X_OK, AT_EACCESS) < 0)
		fchmod(folder, 0700);
	for (;;) {
		errno = 0;
		const struct dirent *d = readdir(dir);
		if (!d)
			return errno ? err_sys(e, "read a folder") : 0;
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		int got = remove_entry(folder, d->d_name, e);
		if (got < 0)
			return -1;
		if (got > 0) {
			memcpy(deeper, d->d_name, strlen(d->d_name) + 1);
			return 1;
		}
	}
}

/* Empty the folder `at` (owned here) that *top names, and all folders below it. */
static int walk(int at, struct level **top, struct err *e)
{
	CLEAN_FD int folder = at;
	const struct level *bottom = *top;
	char deeper[256];
	for (;;) {
		int got = clear_folder(folder, deeper, e);
		if (got < 0)
			return -1;
		if (got == 0 && *top == bottom)
			return 0;
		int next;
		if (got > 0) {
			if (push(top, folder, deeper, e) < 0)
				return -1;
			next = descend(folder, deeper, e);
		} else {
			next = ascend(folder, *top, e);
		}
		if (next < 0)
			return -1;
		close(folder);
		folder = next;
		if (got > 0)
			continue;
		if (unlinkat(folder, (*top)->name, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY)
			return err_sys(e, "remove folder %s", (*top)->name);
		pop(top);
	}
}

int fd_remove_tree(int dirfd, const char *name, struct err *e)
{
	int got = remove_entry(dirfd, name, e);
	if (got <= 0)
		return got;
	int folder = open_folder(dirfd, name, e);
	if (folder < 0)
		return -1;
	struct level *top = NULL;
	got = walk(folder, &top, e);
	while (top)
		pop(&top);
	if (got < 0)
		return err_wrap(e, "remove %s", name);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, "remove %s", name);
	return 0;
}
