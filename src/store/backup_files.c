/* Files of a backup, and of a restore. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/fd.h"
#include "base/hash.h"
#include "store/backup_priv.h"

void backup_table_name(size_t at, char out[BACKUP_NAME_BYTES])
{
	snprintf(out, BACKUP_NAME_BYTES, "%s.jsonl", store_tables[at].name);
}

int backup_folder(int dir_fd, const char *name, struct err *e)
{
	if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "make %s", name);
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? err_sys(e, "open %s", name) : fd;
}

static int copy_bytes(int from, int to, struct err *e)
{
	char bytes[65536];
	size_t n;
	do
		if (fd_read_full(from, bytes, sizeof bytes, &n, e) < 0 || fd_write_all(to, bytes, n, e) < 0)
			return -1;
	while (n == sizeof bytes);
	return 0;
}

/* It has its name only when it is whole. */
static int copy_file(int from_fd, int to_fd, const char *name, struct err *e)
{
	static const char part[] = ".part-copy";
	struct stat st;
	CLEAN_FD int from = openat(from_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0 && errno == ENOENT)
		return 0;
	if (from < 0 || fstat(from, &st) < 0)
		return err_sys(e, "read %s", name);
	unlinkat(to_fd, part, 0);
	CLEAN_FD int to = openat(to_fd, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return err_sys(e, "write %s", name);
	if (copy_bytes(from, to, e) < 0)
		return err_wrap(e, "copy %s", name);
	const struct timespec times[] = { st.st_atim, st.st_mtim };
	if (fchmod(to, st.st_mode & 0777) < 0 || futimens(to, times) < 0 || fsync(to) < 0 ||
	    renameat(to_fd, part, to_fd, name) < 0)
		return err_sys(e, "write %s", name);
	return 1;
}

int backup_take(int from_fd, int to_fd, const char *name, bool is_link_fine, struct err *e)
{
	struct stat st;
	if (fstatat(to_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	if (!is_link_fine)
		return copy_file(from_fd, to_fd, name, e);
	if (linkat(from_fd, name, to_fd, name, 0) == 0)
		return 1;
	if (errno == ENOENT)
		return 0;
	/* Another file system, or one without links, or a file that is not ours to link. */
	return copy_file(from_fd, to_fd, name, e);
}

int backup_take_ca(int from_fd, int to_fd, struct err *e)
{
	CLEAN_FD int from = openat(from_fd, "tls", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0)
		return errno == ENOENT ? 0 : err_sys(e, "read the CA");
	if (mkdirat(to_fd, "tls", 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make tls");
	CLEAN_FD int to = openat(to_fd, "tls", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (to < 0)
		return err_sys(e, "open tls");
	return backup_take(from, to, "ca.key", false, e) < 0 || backup_take(from, to, "ca.crt", false, e) < 0
		       ? -1
		       : 0;
}

static int check_blob(int dir_fd, const char *name, struct err *e)
{
	char is[HASH_HEX_BYTES];
	int64_t size;
	CLEAN_FD int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(e, "blob %s", name);
	if (hash_fd(fd, is, &size, e) < 0)
		return -1;
	return strcmp(is, name) == 0 ? 0 : err_set(e, ERR_CORRUPT, "blob %s has another content", name);
}

int backup_take_blobs(int from_fd, int to_fd, bool is_checked, int64_t *count, struct err *e)
{
	int copy = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEAN_DIR DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	struct stat st;
	if (!dir)
		return err_sys(e, "read blobs");
	while ((entry = readdir(dir))) {
		if (!hash_is_hex(entry->d_name))
			continue;
		bool was_there = fstatat(to_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0;
		int rc = was_there ? 1 : backup_take(from_fd, to_fd, entry->d_name, true, e);
		if (rc < 0 || (rc > 0 && is_checked && check_blob(to_fd, entry->d_name, e) < 0))
			return -1;
		*count += rc > 0 && (is_checked || !was_there);
	}
	return 0;
}
