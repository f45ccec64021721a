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
#include "base/random.h"
#include "store/store_priv.h"

enum { PART_OLD_S = 24 * 3600 };

#define PART_PREFIX ".part-" /* of uploads that have not ended */

struct blob_upload {
	struct store *store;
	struct hash *hash;
	int fd;
	char name[sizeof PART_PREFIX + RANDOM_HEX_BYTES(16)];
	char expected[HASH_HEX_BYTES]; /* "" = any */
	int64_t limit_bytes, size_bytes;
};

/* Of somebody who has gone: where servers share the folder, a young one may be another's. */
static bool is_old(const struct blobs *b, const char *name, time_t now)
{
	struct stat st;
	return fstatat(b->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime < now - PART_OLD_S;
}

/* Uploads that a crash cut short. */
static int remove_parts(struct store *s, struct err *e)
{
	struct blobs *b = &s->blobs;
	time_t now = time(NULL);
	int copy = openat(b->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEAN_DIR DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir)
		return err_sys(e, "read %s", b->dir);
	struct dirent *entry;
	while ((entry = readdir(dir)))
		if (strncmp(entry->d_name, PART_PREFIX, strlen(PART_PREFIX)) == 0 &&
		    (!store_is_shared(s) || is_old(b, entry->d_name, now)))
			unlinkat(b->dir_fd, entry->d_name, 0);
	return 0;
}

static void lock_names(struct blobs *b)
{
	pthread_mutex_lock(&b->lock);
	while (b->lock_fd >= 0 && flock(b->lock_fd, LOCK_EX) < 0 && errno == EINTR)
		;
}

static void unlock_names(struct blobs *b)
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
	return remove_parts(s, e);
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

int blob_upload_begin(struct store *s, const char *sha256, int64_t limit_bytes, struct blob_upload **out,
		      struct err *e)
{
	char random[RANDOM_HEX_BYTES(16)];
	*out = NULL;
	if (sha256 && !hash_is_hex(sha256))
		return err_set(e, ERR_INVALID, "not a sha256");
	if (random_hex(random, 16, e) < 0)
		return -1;
	struct blob_upload *u = calloc(1, sizeof *u);
	if (!u || !(u->hash = hash_new())) {
		free(u);
		return err_set(e, ERR_NOMEM, "upload");
	}
	u->store = s;
	u->limit_bytes = limit_bytes;
	snprintf(u->expected, sizeof u->expected, "%s", sha256 ? sha256 : "");
	snprintf(u->name, sizeof u->name, "%s%s", PART_PREFIX, random);
	u->fd = openat(s->blobs.dir_fd, u->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (u->fd < 0) {
		err_sys(e, "begin an upload");
		hash_free(u->hash);
		free(u);
		return -1;
	}
	*out = u;
	return 0;
}

int blob_upload_add(struct blob_upload *u, const void *bytes, size_t n, struct err *e)
{
	if (u->limit_bytes > 0 && (int64_t)n > u->limit_bytes - u->size_bytes)
		return err_set(e, ERR_TOO_LARGE, "upload is larger than %lld bytes",
			       (long long)u->limit_bytes);
	if (fd_write_all(u->fd, bytes, n, e) < 0)
		return err_wrap(e, "upload");
	hash_add(u->hash, bytes, n);
	u->size_bytes += (int64_t)n;
	return 0;
}

void blob_upload_abort(struct blob_upload *u)
{
	if (!u)
		return;
	if (u->fd >= 0)
		close(u->fd);
	if (*u->name)
		unlinkat(u->store->blobs.dir_fd, u->name, 0);
	hash_free(u->hash);
	free(u);
}

/* Content first, then its name, then the folder that has the name: whoever sees the blob sees all of it. */
static int give_name(struct blob_upload *u, const char *sha256, struct err *e)
{
	struct blobs *b = &u->store->blobs;
	int64_t size;
	if (fchmod(u->fd, 0444) < 0 || fsync(u->fd) < 0)
		return err_sys(e, "sync an upload");
	lock_names(b);
	int rc = 0;
	if (blob_exists(u->store, sha256, &size) && size == u->size_bytes) {
		/* It is young again, so that it is not collected before a row names it. */
		rc = utimensat(b->dir_fd, sha256, NULL, 0);
	} else if ((rc = renameat(b->dir_fd, u->name, b->dir_fd, sha256)) == 0) {
		u->name[0] = '\0';
	}
	if (rc < 0)
		err_sys(e, "store blob %s", sha256);
	unlock_names(b);
	if (rc == 0 && !*u->name && fsync(b->dir_fd) < 0)
		return err_sys(e, "sync %s", b->dir);
	return rc;
}

int blob_upload_commit(struct blob_upload *u, char sha256[65], int64_t *size_bytes, struct err *e)
{
	hash_finish(u->hash, sha256);
	u->hash = NULL;
	*size_bytes = u->size_bytes;
	int rc;
	if (*u->expected && strcmp(u->expected, sha256) != 0)
		rc = err_set(e, ERR_INVALID, "content has sha256 %s, announced was %s", sha256, u->expected);
	else
		rc = give_name(u, sha256, e);
	blob_upload_abort(u);
	return rc;
}

int blob_put(struct store *s, const void *bytes, size_t n, char sha256[65], struct err *e)
{
	struct blob_upload *u;
	int64_t size;
	if (blob_upload_begin(s, NULL, 0, &u, e) < 0)
		return -1;
	if (blob_upload_add(u, bytes, n, e) < 0) {
		blob_upload_abort(u);
		return -1;
	}
	return blob_upload_commit(u, sha256, &size, e);
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
	lock_names(b);
	if (fstatat(b->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 < before_ms &&
	    unlinkat(b->dir_fd, name, 0) == 0) {
		(*removed)++;
		*bytes += st.st_size;
	}
	unlock_names(b);
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
