#include "store/blobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clean.h"
#include "base/fd.h"
#include "base/hash.h"
#include "store/blobs_priv.h"
#include "store/store_priv.h"

void blobs_lock_names(struct blobs *b)
{
	pthread_mutex_lock(&b->lock);
	while (b->lock_fd >= 0 && flock(b->lock_fd, LOCK_EX) < 0 && errno == EINTR)
		;
}

void blobs_unlock_names(struct blobs *b)
{
	if (b->lock_fd >= 0)
		flock(b->lock_fd, LOCK_UN);
	pthread_mutex_unlock(&b->lock);
}

static int open_lock(struct store *s, struct err *e)
{
	CLEAN_FREE char *path = NULL;
	if (asprintf(&path, "%s/blobs.lock", s->files_dir) < 0) {
		path = NULL;
		return err_set(e, ERR_NOMEM, "open blobs");
	}
	s->blobs.lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return s->blobs.lock_fd < 0 ? err_sys(e, "open %s", path) : 0;
}

int blobs_open(struct store *s, struct err *e)
{
	struct blobs *b = &s->blobs;
	pthread_mutex_init(&b->lock, NULL);
	if (asprintf(&b->dir, "%s/blobs", s->files_dir) < 0) {
		b->dir = NULL;
		return err_set(e, ERR_NOMEM, "open blobs");
	}
	if (mkdir(b->dir, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "make %s", b->dir);
	b->dir_fd = open(b->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->dir_fd < 0)
		return err_sys(e, "open %s", b->dir);
	if (store_is_shared(s) && open_lock(s, e) < 0)
		return -1;
	return blobs_remove_parts(s, e);
}

void blobs_close(struct store *s)
{
	if (s->blobs.dir_fd >= 0)
		close(s->blobs.dir_fd);
	if (s->blobs.lock_fd >= 0)
		close(s->blobs.lock_fd);
	free(s->blobs.dir);
}

const char *blob_dir(const struct store *s)
{
	return s->blobs.dir;
}

bool blob_exists(struct store *s, const char *sha256, int64_t *size_bytes)
{
	struct stat st;
	if (!hash_is_hex(sha256) || fstatat(s->blobs.dir_fd, sha256, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return false;
	if (size_bytes)
		*size_bytes = st.st_size;
	return true;
}

int blob_open(struct store *s, const char *sha256, int64_t *size_bytes, struct err *e)
{
	struct stat st;
	if (!hash_is_hex(sha256))
		return err_set(e, ERR_NOT_FOUND, "there is no such blob");
	CLEAN_FD int fd = openat(s->blobs.dir_fd, sha256, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "blob %s", sha256);
	if (size_bytes)
		*size_bytes = st.st_size;
	return take_fd(&fd);
}

/* Names the blob nothing and everything is older than `before_ms`? Then away with it. */
static int collect_one(struct tx *tx, const char *name, int64_t before_ms, int *removed, int64_t *bytes,
		       struct err *e)
{
	struct blobs *b = &tx->store->blobs;
	int64_t is_used = 0;
	if (tx_get_int(tx, STMT_BLOB_IS_USED, DB_ARGS(db_str(name)), &is_used, e) < 0)
		return -1;
	if (is_used)
		return 0;
	struct stat st;
	blobs_lock_names(b);
	if (fstatat(b->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 < before_ms &&
	    unlinkat(b->dir_fd, name, 0) == 0) {
		(*removed)++;
		*bytes += st.st_size;
	}
	blobs_unlock_names(b);
	return 0;
}

int blobs_gc(struct tx *tx, int64_t grace_ms, int *removed, int64_t *bytes, struct err *e)
{
	struct blobs *b = &tx->store->blobs;
	struct timespec now;
	*removed = 0;
	*bytes = 0;
	/* The times of files are those of the file system's clock, not the store's. */
	clock_gettime(CLOCK_REALTIME, &now);
	int64_t before_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000 - grace_ms;
	int copy = openat(b->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEAN_DIR DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir)
		return err_sys(e, "read %s", b->dir);
	int64_t is_ours = 1;
	if (store_is_shared(tx->store) && tx_get_int(tx, STMT_GC_LOCK, DB_NO_ARGS, &is_ours, e) < 0)
		return -1;
	if (!is_ours)
		return err_set(e, ERR_BUSY, "another server is doing it");
	struct dirent *entry;
	while ((entry = readdir(dir)))
		if (hash_is_hex(entry->d_name) &&
		    collect_one(tx, entry->d_name, before_ms, removed, bytes, e) < 0)
			return -1;
	return 0;
}
