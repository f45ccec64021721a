#include "kind/build_type.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/path.h"
#include "kind/build_type_priv.h"

enum { TYPES_MAX = 200, FILES_MAX = 200, FILE_MAX_BYTES = 1 << 20, DEPTH_MAX = 4 };

struct build_types {
	struct arena arena;
	struct build_type types[TYPES_MAX];
	size_t len;
};

bool build_type_is_name(const char *name)
{
	static const char chars[] = "-abcdefghijklmnopqrstuvwxyz0123456789";
	size_t n = strspn(name, chars);
	return n > 0 && n <= 40 && !name[n] && name[0] != '-';
}

/* A file of the type that is being read. */
static int add_file(struct build_types *set, struct build_type *t, struct build_type_file f, struct err *e)
{
	struct build_type_file *files = (struct build_type_file *)(uintptr_t)t->files;
	if (!files)
		t->files = files = arena_array(&set->arena, FILES_MAX, sizeof *files);
	if (!files || !f.name || !f.content)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (t->files_len == FILES_MAX)
		return err_set(e, ERR_TOO_LARGE, "more than %d files", FILES_MAX);
	hash_bytes(f.content, f.len, f.sha256);
	files[t->files_len++] = f;
	return 0;
}

static int compare_type(const void *a, const void *b)
{
	return strcmp(((const struct build_type *)a)->name, ((const struct build_type *)b)->name);
}

/* All files are there: read type.ini and put the type into the set, in place of one of the same name. */
static int finish_type(struct build_types *set, struct build_type *t, struct err *e)
{
	const struct build_type_file *ini = NULL;
	for (size_t i = 0; i < t->files_len; i++)
		if (strcmp(t->files[i].name, "type.ini") == 0)
			ini = &t->files[i];
	if (!ini)
		return err_set(e, ERR_INVALID, "there is no type.ini");
	if (type_ini_parse(ini->content, ini->len, t, &set->arena, e) < 0)
		return -1;
	size_t at = 0;
	while (at < set->len && strcmp(set->types[at].name, t->name) != 0)
		at++;
	if (at == TYPES_MAX)
		return err_set(e, ERR_TOO_LARGE, "more than %d build types", TYPES_MAX);
	set->types[at] = *t;
	set->len += at == set->len;
	return 0;
}

static int load_builtin(struct build_types *set, const struct builtin_type *b, struct err *e)
{
	struct build_type t = { .name = b->name };
	for (const struct embed_file *f = b->files; f->name; f++) {
		/* An embedded file has no mode: what begins like a script is one. */
		bool is_script = f->size_bytes > 2 && memcmp(f->bytes, "#!", 2) == 0;
		struct build_type_file file = { .name = f->name,
						.content = (const char *)f->bytes,
						.len = f->size_bytes,
						.mode = is_script ? 0755 : 0644 };
		if (add_file(set, &t, file, e) < 0)
			return -1;
	}
	return finish_type(set, &t, e);
}

static int load_folder(struct build_types *set, struct build_type *t, int dirfd, const char *prefix,
		       int depth, struct err *e);

static int load_entry(struct build_types *set, struct build_type *t, int dirfd, const char *name,
		      const char *path, int depth, struct err *e)
{
	struct stat st;
	CLEAN_BUF struct buf content = BUF_INIT;
	CLEAN_FD int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "%s", path);
	if (S_ISDIR(st.st_mode))
		return load_folder(set, t, take_fd(&fd), path, depth + 1, e);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "%s: neither a file nor a folder", path);
	if (fd_read_file(dirfd, name, FILE_MAX_BYTES, &content, e) < 0)
		return -1;
	struct build_type_file file = { .name = path,
					.content = arena_memdup(&set->arena, content.data, content.len + 1),
					.len = content.len,
					.mode = st.st_mode & 0111 ? 0755 : 0644 };
	return add_file(set, t, file, e);
}

/* Takes `dirfd`. Names in it are given below `prefix` ("" = the type's own folder). */
static int load_folder(struct build_types *set, struct build_type *t, int dirfd, const char *prefix,
		       int depth, struct err *e)
{
	CLEAN_DIR DIR *dir = fdopendir(dirfd);
	if (!dir) {
		close(dirfd);
		return err_sys(e, "%s", prefix);
	}
	if (depth > DEPTH_MAX)
		return err_set(e, ERR_TOO_LARGE, "%s: deeper than %d folders", prefix, DEPTH_MAX);
	for (struct dirent *entry; (entry = readdir(dir));) {
		/* Also what editors leave behind. */
		if (entry->d_name[0] == '.')
			continue;
		const char *path = path_join_in(&set->arena, prefix, entry->d_name);
		if (!path)
			return err_set(e, ERR_NOMEM, "out of memory");
		if (!path_is_safe_relative(path))
			return err_set(e, ERR_INVALID, "a file with a strange name");
		if (load_entry(set, t, dirfd, entry->d_name, path, depth, e) < 0)
			return -1;
	}
	return 0;
}

static int load_type(struct build_types *set, int dirfd, const char *name, struct err *e)
{
	struct build_type t = { .name = arena_strdup(&set->arena, name) };
	if (!t.name)
		return err_set(e, ERR_NOMEM, "out of memory");
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	if (fd < 0)
		return errno == ENOTDIR ? 0 : err_sys(e, "%s", name);
	if (!build_type_is_name(name)) {
		close(fd);
		return err_set(e, ERR_INVALID,
			       "a build type's name is at most 40 lower-case letters, digits and '-'");
	}
	return load_folder(set, &t, fd, "", 0, e) < 0 ? -1 : finish_type(set, &t, e);
}

static int load_dir(struct build_types *set, const char *path, struct err *e)
{
	CLEAN_DIR DIR *dir = opendir(path);
	if (!dir)
		return err_sys(e, "build types: %s", path);
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		if (load_type(set, dirfd(dir), entry->d_name, e) < 0)
			return err_wrap(e, "%s/%s", path, entry->d_name);
	}
	return 0;
}

int build_types_load(const char *dir, struct build_types **out, struct err *e)
{
	struct build_types *set = calloc(1, sizeof *set);
	*out = NULL;
	if (!set)
		return err_set(e, ERR_NOMEM, "build types: out of memory");
	int rc = 0;
	for (const struct builtin_type *b = builtin_types; rc == 0 && b->name; b++)
		if (load_builtin(set, b, e) < 0)
			rc = err_wrap(e, "built-in type %s", b->name);
	if (rc == 0 && dir)
		rc = load_dir(set, dir, e);
	if (rc < 0) {
		build_types_free(set);
		return -1;
	}
	qsort(set->types, set->len, sizeof *set->types, compare_type);
	*out = set;
	return 0;
}

void build_types_free(struct build_types *t)
{
	if (!t)
		return;
	arena_release(&t->arena);
	free(t);
}

const struct build_type *build_types_find(const struct build_types *t, const char *name)
{
	for (size_t i = 0; i < t->len; i++)
		if (strcmp(t->types[i].name, name) == 0)
			return &t->types[i];
	return NULL;
}

const struct build_type *build_types_at(const struct build_types *t, size_t i)
{
	return i < t->len ? &t->types[i] : NULL;
}
