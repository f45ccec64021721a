/* Blobs this worker has fetched, kept for the next attempt that wants them, and unpacked images, which src/run keeps.
 *
 * Both together stay within a bound: what was not used for longest goes first, and what an attempt needs never goes. A blob is
 * known by its name only; that its bytes are those of the name was seen when it was fetched. After a restart, or when
 * the file was changed by anybody, that is looked at again (fetch.c) before it is used. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/log.h"
#include "run/run.h"
#include "worker/worker_priv.h"

enum { PART_OLD_S = 24 * 3600 };

#define PART_SUFFIX ".part"

char *cache_path(const struct worker_loop *w, const char *sha256, const char *suffix)
{
	struct buf path = BUF_INIT;

	buf_addf(&path, "%s/%s%s", w->blob_dir, sha256, suffix);
	return buf_take(&path);
}

/* ---- the list, longest unused first ------------------------------------------------------------------------- */

static void list_remove(struct cache *c, struct cache_blob *b)
{
	*(b->prev ? &b->prev->next : &c->first) = b->next;
	*(b->next ? &b->next->prev : &c->last) = b->prev;
}

static void list_add(struct cache *c, struct cache_blob *b)
{
	b->prev = c->last;
	b->next = NULL;
	*(c->last ? &c->last->next : &c->first) = b;
	c->last = b;
}

static struct cache_blob *find(const struct cache *c, const char *sha256)
{
	return map_find(&c->blobs, sha256);
}

static struct cache_blob *get(struct cache *c, const char *sha256)
{
	struct cache_blob *b = find(c, sha256);

	if (b)
		return b;
	b = calloc(1, sizeof(*b));
	if (!b || map_set(&c->blobs, sha256, b, NULL) < 0) {
		free(b);
		return NULL;
	}
	snprintf(b->sha256, sizeof(b->sha256), "%s", sha256);
	list_add(c, b);
	return b;
}

static void forget(struct cache *c, struct cache_blob *b)
{
	c->bytes -= b->size_bytes;
	list_remove(c, b);
	map_remove(&c->blobs, b->sha256);
	free(b);
}

static void note_size(struct cache *c, struct cache_blob *b, int64_t size_bytes)
{
	c->bytes += size_bytes - b->size_bytes;
	b->size_bytes = size_bytes;
}

/* ---- what is in the folder ---------------------------------------------------------------------------------- */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

enum cache_has cache_look(struct worker_loop *w, const char *sha256)
{
	struct cache_blob *b = find(&w->cache, sha256);
	CLEAN_FREE char *path = cache_path(w, sha256, "");
	struct stat st;

	if (!b || !path || lstat(path, &st) < 0 || !S_ISREG(st.st_mode)) {
		if (b)
			note_size(&w->cache, b, 0);
		return CACHE_ABSENT;
	}
	note_size(&w->cache, b, st.st_size);
	return b->is_checked && is_same(&st, &b->seen) ? CACHE_CHECKED : CACHE_UNCHECKED;
}

int cache_pin(struct worker_loop *w, const char *sha256)
{
	struct cache_blob *b = get(&w->cache, sha256);

	if (!b)
		return -1;
	b->users++;
	list_remove(&w->cache, b);
	list_add(&w->cache, b);
	b->used_ms = clock_boot_ms();
	return 0;
}

void cache_unpin(struct worker_loop *w, const char *sha256)
{
	struct cache_blob *b = find(&w->cache, sha256);
	CLEAN_FREE char *path = cache_path(w, sha256, "");

	if (!b || --b->users)
		return;
	b->used_ms = clock_boot_ms();
	if (!b->size_bytes) {
		forget(&w->cache, b);
		return;
	}
	/* For the order after a restart. It changes the file's time of change as well: that is ours. */
	if (path && b->is_checked && cache_look(w, sha256) == CACHE_CHECKED &&
	    utimensat(AT_FDCWD, path, NULL, 0) == 0)
		lstat(path, &b->seen);
	cache_trim(w, 0);
}

void cache_stored(struct worker_loop *w, const char *sha256)
{
	struct cache_blob *b = get(&w->cache, sha256);
	CLEAN_FREE char *path = cache_path(w, sha256, "");

	if (!b || !path || lstat(path, &b->seen) < 0)
		return;
	b->is_checked = true;
	note_size(&w->cache, b, b->seen.st_size);
	cache_trim(w, 0);
}

void cache_remove(struct worker_loop *w, const char *sha256)
{
	struct cache_blob *b = find(&w->cache, sha256);
	CLEAN_FREE char *path = cache_path(w, sha256, "");

	if (path)
		unlink(path);
	if (b)
		note_size(&w->cache, b, 0);
}

/* ---- the bound ---------------------------------------------------------------------------------------------- */

int64_t cache_bytes(const struct worker_loop *w)
{
	return w->cache.bytes + (w->run ? run_images_bytes(w->run) : 0);
}

/* The bytes that went; 0: everything that is here is needed. */
static int64_t drop_oldest(struct worker_loop *w)
{
	struct cache_blob *b = w->cache.first;
	int64_t image_ms = 0, bytes;

	while (b && (b->users || !b->size_bytes))
		b = b->next;
	if (w->run && run_image_oldest(w->run, &image_ms) && (!b || image_ms < b->used_ms))
		return run_image_drop_oldest(w->run);
	if (!b)
		return 0;
	bytes = b->size_bytes;
	log_line(LOG_LEVEL_DEBUG, "blob %s leaves the cache", b->sha256);
	cache_remove(w, b->sha256);
	forget(&w->cache, b);
	return bytes;
}

void cache_trim(struct worker_loop *w, int64_t more_bytes)
{
	int64_t gone = 1;

	while (gone && cache_bytes(w) > 0 && (more_bytes > 0 || cache_bytes(w) > w->cache.bound_bytes)) {
		gone = drop_oldest(w);
		more_bytes -= gone;
	}
}

/* ---- opening and closing ------------------------------------------------------------------------------------ */

struct found {
	char name[HASH_HEX_BYTES];
	struct stat st;
};

static int older_first(const void *a, const void *b)
{
	const struct timespec *x = &((const struct found *)a)->st.st_mtim;
	const struct timespec *y = &((const struct found *)b)->st.st_mtim;

	return x->tv_sec != y->tv_sec ? (x->tv_sec > y->tv_sec ? 1 : -1)
				      : (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* A part of a blob is good for going on with it, for some time. */
static bool is_stale_part(const char *name, const struct stat *st)
{
	size_t len = strlen(name), suffix = strlen(PART_SUFFIX);

	return len > suffix && strcmp(name + len - suffix, PART_SUFFIX) == 0 &&
	       st->st_mtime < time(NULL) - PART_OLD_S;
}

static int read_folder(const struct worker_loop *w, struct found **list, size_t *n, struct err *e)
{
	CLEAN_DIR DIR *dir = opendir(w->blob_dir);
	struct dirent *entry;
	size_t cap = 0;

	if (!dir)
		return err_sys(e, "read %s", w->blob_dir);
	while ((entry = readdir(dir))) {
		struct stat st;

		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (is_stale_part(entry->d_name, &st))
			unlinkat(dirfd(dir), entry->d_name, 0);
		if (!hash_is_hex(entry->d_name) || !S_ISREG(st.st_mode))
			continue;
		if (*n == cap) {
			struct found *grown = reallocarray(*list, cap * 2 + 16, sizeof(**list));

			if (!grown)
				return err_set(e, ERR_NOMEM, "out of memory");
			*list = grown;
			cap = cap * 2 + 16;
		}
		(*list)[*n].st = st;
		snprintf((*list)[(*n)++].name, HASH_HEX_BYTES, "%s", entry->d_name);
	}
	return 0;
}

int cache_open(struct worker_loop *w, struct err *e)
{
	CLEAN_FREE struct found *list = NULL;
	size_t n = 0;

	if (read_folder(w, &list, &n, e) < 0)
		return err_wrap(e, "open the cache");
	if (n)
		qsort(list, n, sizeof(*list), older_first);
	for (size_t i = 0; i < n; i++) {
		struct cache_blob *b = get(&w->cache, list[i].name);

		if (!b)
			return err_set(e, ERR_NOMEM, "out of memory");
		note_size(&w->cache, b, list[i].st.st_size);
	}
	cache_trim(w, 0);
	return 0;
}

void cache_release(struct worker_loop *w)
{
	while (w->cache.first)
		forget(&w->cache, w->cache.first);
	map_release(&w->cache.blobs);
}
