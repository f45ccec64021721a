/* Uploads: a file without a name of its own until it is whole and checked.
 *
 * One that may be resumed has a key and is .parts/KEY-RANDOM. Who resumes it gives it a new random, so that the name says
 * who writes: a connection that was taken for dead, and still has bytes to bring, finds that its name is gone and
 * writes no more. That holds for several servers on one folder too. */
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
#include "store/blobs_priv.h"
#include "store/store_priv.h"

enum { PART_OLD_S = 24 * 3600 };

#define PART_PREFIX ".part-"
#define PARTS_DIR ".parts"

struct blob_upload {
	struct store *store;
	struct hash *hash; /* NULL: of a resumed one nobody has hashed the beginning */
	int fd;
	char name[sizeof PARTS_DIR "/" + HASH_HEX_BYTES +
		  RANDOM_HEX_BYTES(16)]; /* "" = it has its real one */
	bool is_kept;			 /* may be resumed */
	char expected[HASH_HEX_BYTES];	 /* "" = any */
	int64_t limit_bytes, size_bytes;
};

/* Of somebody who has gone: where servers share the folder, a young one may be another's. */
static bool is_old(int dir_fd, const char *name, time_t now)
{
	struct stat st;
	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime < now - PART_OLD_S;
}

static DIR *open_dir(const struct blobs *b, const char *name, struct err *e)
{
	int fd = openat(b->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		err_sys(e, "read %s/%s", b->dir, name);
		if (fd >= 0)
			close(fd);
	}
	return dir;
}

int blobs_remove_parts(struct store *s, struct err *e)
{
	struct blobs *b = &s->blobs;
	time_t now = time(NULL);
	struct dirent *entry;
	if (mkdirat(b->dir_fd, PARTS_DIR, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make %s/%s", b->dir, PARTS_DIR);
	CLEAN_DIR DIR *all = open_dir(b, ".", e);
	CLEAN_DIR DIR *kept = open_dir(b, PARTS_DIR, e);
	if (!all || !kept)
		return -1;
	while ((entry = readdir(all)))
		if (strncmp(entry->d_name, PART_PREFIX, strlen(PART_PREFIX)) == 0 &&
		    (!store_is_shared(s) || is_old(b->dir_fd, entry->d_name, now)))
			unlinkat(b->dir_fd, entry->d_name, 0);
	while ((entry = readdir(kept)))
		if (entry->d_name[0] != '.' && is_old(dirfd(kept), entry->d_name, now))
			unlinkat(dirfd(kept), entry->d_name, 0);
	return 0;
}

/* The name, beneath the folder of blobs, and the size of what is there with this key; "" and 0: nothing. On the way what
 * nobody has gone on with is removed. */
static int find_part(const struct blobs *b, const char *key, char *name, size_t room, int64_t *size_bytes,
		     struct err *e)
{
	time_t now = time(NULL);
	struct dirent *entry;
	struct stat st;
	CLEAN_DIR DIR *dir = open_dir(b, PARTS_DIR, e);
	*name = '\0';
	*size_bytes = 0;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (strncmp(entry->d_name, key, strlen(key)) == 0 &&
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			snprintf(name, room, "%s/%s", PARTS_DIR, entry->d_name);
			*size_bytes = st.st_size;
		} else if (is_old(dirfd(dir), entry->d_name, now)) {
			unlinkat(dirfd(dir), entry->d_name, 0);
		}
	}
	return dir ? 0 : -1;
}

static struct blob_upload *upload_new(struct store *s, const char *sha256, int64_t limit_bytes, struct err *e)
{
	if (sha256 && !hash_is_hex(sha256)) {
		err_set(e, ERR_INVALID, "not a sha256");
		return NULL;
	}
	struct blob_upload *u = calloc(1, sizeof *u);
	if (!u || !(u->hash = hash_new())) {
		free(u);
		err_set(e, ERR_NOMEM, "upload");
		return NULL;
	}
	u->store = s;
	u->fd = -1;
	u->limit_bytes = limit_bytes;
	snprintf(u->expected, sizeof u->expected, "%s", sha256 ? sha256 : "");
	return u;
}

static int make_name(struct blob_upload *u, const char *key, struct err *e)
{
	char random[RANDOM_HEX_BYTES(16)];
	if (random_hex(random, 16, e) < 0)
		return -1;
	if (key)
		snprintf(u->name, sizeof u->name, "%s/%s-%s", PARTS_DIR, key, random);
	else
		snprintf(u->name, sizeof u->name, "%s%s", PART_PREFIX, random);
	return 0;
}

static int make_part(struct blob_upload *u, const char *key, struct err *e)
{
	int dir_fd = u->store->blobs.dir_fd;
	if (make_name(u, key, e) < 0)
		return -1;
	u->fd = openat(dir_fd, u->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return u->fd < 0 ? err_sys(e, "begin an upload") : 0;
}

static int lock_part(const struct blob_upload *u, int how)
{
	while (flock(u->fd, how) < 0)
		if (errno != EINTR)
			return -1;
	return 0;
}

/* What is there becomes ours, up to `offset`. */
static int take_part(struct blob_upload *u, const char *key, const char *found, int64_t offset, struct err *e)
{
	int dir_fd = u->store->blobs.dir_fd;
	u->fd = openat(dir_fd, found, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (u->fd < 0 || make_name(u, key, e) < 0 || lock_part(u, LOCK_EX) < 0)
		return err_sys(e, "resume an upload");
	int rc = renameat(dir_fd, found, dir_fd, u->name);
	if (rc == 0 && (ftruncate(u->fd, offset) < 0 || lseek(u->fd, offset, SEEK_SET) < 0))
		rc = -1;
	if (rc < 0)
		err_sys(e, "resume an upload");
	lock_part(u, LOCK_UN);
	hash_free(u->hash);
	u->hash = NULL;
	u->size_bytes = offset;
	return rc;
}

int blob_upload_begin(struct store *s, const char *sha256, int64_t limit_bytes, struct blob_upload **out,
		      struct err *e)
{
	*out = NULL;
	struct blob_upload *u = upload_new(s, sha256, limit_bytes, e);
	if (!u)
		return -1;
	if (make_part(u, NULL, e) < 0) {
		u->name[0] = '\0';
		blob_upload_abort(u);
		return -1;
	}
	*out = u;
	return 0;
}

int blob_upload_resume(struct store *s, const char *key, const char *sha256, int64_t offset,
		       int64_t limit_bytes, struct blob_upload **out, struct err *e)
{
	char found[sizeof((struct blob_upload *)NULL)->name];
	int64_t size_bytes;
	*out = NULL;
	if (find_part(&s->blobs, key, found, sizeof found, &size_bytes, e) < 0)
		return -1;
	if (offset > size_bytes)
		return err_set(e, ERR_CONFLICT, "only %lld bytes of it are here", (long long)size_bytes);
	struct blob_upload *u = upload_new(s, sha256, limit_bytes, e);
	if (!u)
		return -1;
	/* What is begun anew takes the name away from who began it before. */
	if (!offset && *found)
		unlinkat(s->blobs.dir_fd, found, 0);
	int rc = offset ? take_part(u, key, found, offset, e) : make_part(u, key, e);
	if (rc < 0) {
		u->name[0] = '\0';
		blob_upload_abort(u);
		return -1;
	}
	u->is_kept = true;
	*out = u;
	return 0;
}

int blob_upload_size(struct store *s, const char *key, const char *sha256, int64_t *size_bytes,
		     bool *is_whole, struct err *e)
{
	char found[sizeof((struct blob_upload *)NULL)->name];
	*is_whole = blob_exists(s, sha256, size_bytes);
	return *is_whole ? 0 : find_part(&s->blobs, key, found, sizeof found, size_bytes, e);
}

/* With the part locked: does it still have the name we gave it? */
static bool is_ours(const struct blob_upload *u)
{
	struct stat st;
	return fstatat(u->store->blobs.dir_fd, u->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int write_kept(struct blob_upload *u, const void *bytes, size_t n, struct err *e)
{
	if (lock_part(u, LOCK_EX) < 0)
		return err_sys(e, "lock it");
	int rc = is_ours(u) ? fd_write_all(u->fd, bytes, n, e)
			    : err_set(e, ERR_CONFLICT, "another connection has taken it over");
	lock_part(u, LOCK_UN);
	return rc;
}

int blob_upload_add(struct blob_upload *u, const void *bytes, size_t n, struct err *e)
{
	if (u->limit_bytes > 0 && (int64_t)n > u->limit_bytes - u->size_bytes)
		return err_set(e, ERR_TOO_LARGE, "upload is larger than %lld bytes",
			       (long long)u->limit_bytes);
	if ((u->is_kept ? write_kept(u, bytes, n, e) : fd_write_all(u->fd, bytes, n, e)) < 0)
		return err_wrap(e, "upload");
	if (u->hash)
		hash_add(u->hash, bytes, n);
	u->size_bytes += (int64_t)n;
	return 0;
}

void blob_upload_abort(struct blob_upload *u)
{
	if (!u)
		return;
	if (*u->name && (!u->is_kept || !u->size_bytes))
		unlinkat(u->store->blobs.dir_fd, u->name, 0);
	if (u->fd >= 0)
		close(u->fd);
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
	blobs_lock_names(b);
	int rc = 0;
	if (blob_exists(u->store, sha256, &size) && size == u->size_bytes) {
		/* It is young again, so that it is not collected before a row names it. */
		rc = utimensat(b->dir_fd, sha256, NULL, 0);
	} else if ((rc = renameat(b->dir_fd, u->name, b->dir_fd, sha256)) == 0) {
		u->name[0] = '\0';
	}
	if (rc < 0)
		err_sys(e, "store blob %s", sha256);
	blobs_unlock_names(b);
	if (rc == 0 && !*u->name && fsync(b->dir_fd) < 0)
		return err_sys(e, "sync %s", b->dir);
	return rc;
}

int blob_upload_commit(struct blob_upload *u, char sha256[65], int64_t *size_bytes, struct err *e)
{
	bool is_resumed = !u->hash;
	int rc = 0;
	*size_bytes = u->size_bytes;
	if (is_resumed) {
		rc = hash_fd(u->fd, sha256, size_bytes, e);
	} else {
		hash_finish(u->hash, sha256);
		u->hash = NULL;
	}
	/* One that was resumed may have been damaged between its parts, which is nobody's lie. */
	if (rc == 0 && *u->expected && strcmp(u->expected, sha256) != 0)
		rc = err_set(e, is_resumed ? ERR_CONFLICT : ERR_INVALID,
			     "content has sha256 %s, announced was %s", sha256, u->expected);
	if (rc == 0)
		rc = give_name(u, sha256, e);
	u->is_kept = false;
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
