/* Names of files, as text only: nothing here touches a file system. Any thread. */
#ifndef SLIPWAY_BASE_PATH_H
#define SLIPWAY_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct buf;

enum { PATH_LIMIT_BYTES = 1024, PATH_PART_LIMIT_BYTES = 255 };

/* dir + "/" + name, with one slash between them whatever dir ends with. An absolute `name` stands alone. */
void path_join(struct buf *out, const char *dir, const char *name);
/* The same in an arena; NULL: out of memory. */
char *path_join_in(struct arena *a, const char *dir, const char *name);
/* What follows the last slash; the whole if there is none. Borrowed from `path`. */
const char *path_base(const char *path);
/* May this name from outside be used beneath a folder? Not empty, not absolute, no "." or ".." or empty part, no
 * control character, at most PATH_LIMIT_BYTES and PATH_PART_LIMIT_BYTES a part. It says nothing about links:
 * open the name by fd_open_beneath(). */
bool path_is_safe_relative(const char *path);
/* The same for one part: no slash either. */
bool path_is_safe_name(const char *name);
/* Shell glob in which `*` and `?` do not match a slash, and a part `**` matches any number of parts; as the last
 * one at least one, so that it means what lies in a folder and not the folder. */
bool path_matches(const char *glob, const char *path);

#endif
