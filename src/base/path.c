#include "base/path.h"

#include <fnmatch.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"

void path_join(struct buf *out, const char *dir, const char *name)
{
	if (name[0] == '/' || !dir[0]) {
		buf_adds(out, name);
		return;
	}
	size_t n = strlen(dir);
	while (n > 1 && dir[n - 1] == '/')
		n--;
	buf_add(out, dir, n);
	if (dir[n - 1] != '/')
		buf_addc(out, '/');
	buf_adds(out, name);
}

char *path_join_in(struct arena *a, const char *dir, const char *name)
{
	CLEAN_BUF struct buf b = BUF_INIT;
	path_join(&b, dir, name);
	return b.is_failed ? NULL : arena_strndup(a, b.data, b.len);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static bool is_safe_part(const char *part, size_t n)
{
	if (n == 0 || n > PATH_PART_LIMIT_BYTES)
		return false;
	if (part[0] == '.' && (n == 1 || (n == 2 && part[1] == '.')))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)part[i] < ' ' || part[i] == 127)
			return false;
	return true;
}

bool path_is_safe_relative(const char *path)
{
	if (strnlen(path, PATH_LIMIT_BYTES + 1) > PATH_LIMIT_BYTES)
		return false;
	for (;;) {
		size_t n = strcspn(path, "/");
		if (!is_safe_part(path, n))
			return false;
		if (!path[n])
			return true;
		path += n + 1;
	}
}

bool path_is_safe_name(const char *name)
{
	return !strchr(name, '/') && path_is_safe_relative(name);
}

/* Does the part of `n` bytes at `part` match the glob part of `g` bytes at `glob`? */
static bool part_matches(const char *glob, size_t g, const char *part, size_t n)
{
	char pattern[PATH_PART_LIMIT_BYTES + 1], name[PATH_PART_LIMIT_BYTES + 1];
	if (g >= sizeof pattern || n >= sizeof name)
		return false;
	memcpy(pattern, glob, g);
	pattern[g] = '\0';
	memcpy(name, part, n);
	name[n] = '\0';
	return fnmatch(pattern, name, 0) == 0;
}

/* Part by part. Of several "**" only the last seen is ever gone back to, which is enough (it may take as many
 * parts as any before it) and keeps the time at parts × parts. */
bool path_matches(const char *glob, const char *path)
{
	const char *retry_glob = NULL, *retry_path = NULL;
	while (path) {
		size_t g = glob ? strcspn(glob, "/") : 0;
		size_t n = strcspn(path, "/");
		if (glob && g == 2 && memcmp(glob, "**", 2) == 0) {
			retry_glob = glob = glob[g] ? glob + g + 1 : NULL;
			retry_path = path;
			if (!glob)
				return true;
		} else if (glob && part_matches(glob, g, path, n)) {
			glob = glob[g] ? glob + g + 1 : NULL;
			path = path[n] ? path + n + 1 : NULL;
		} else if (retry_path) {
			size_t skip = strcspn(retry_path, "/");
			if (!retry_path[skip])
				return false;
			path = retry_path += skip + 1;
			glob = retry_glob;
		} else {
			return false;
		}
	}
	return !glob;
}
