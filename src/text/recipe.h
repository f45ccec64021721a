/* Recipes of git-build-recipe: how to put a source tree together from branches.
 *
 *   # git-build-recipe format 0.4 deb-version {debupstream}-0~{revtime}
 *   URL [REVISION]
 *   merge NAME URL [REVISION]
 *   nest NAME URL FOLDER [REVISION]
 *     …lines for the nested branch, two spaces further in
 *   nest-part NAME URL PATH [FOLDER [REVISION]]
 *
 * `run` is refused, since it runs code. So is whatever could make git do something else than fetch: an unknown
 * protocol, a word that looks like an option, a folder that is not beneath the tree. Pure; any thread. */
#ifndef SLIPWAY_TEXT_RECIPE_H
#define SLIPWAY_TEXT_RECIPE_H

#include <stddef.h>

struct arena;
struct err;

enum { RECIPE_MAX_BYTES = 64 * 1024 };

enum recipe_verb { RECIPE_BASE, RECIPE_MERGE, RECIPE_NEST, RECIPE_NEST_PART };

struct recipe_branch {
	enum recipe_verb verb;
	int line, depth;
	const char *name; /* NULL for the base */
	const char *url;
	const char *path;     /* of nest-part: what is taken; else NULL */
	const char *folder;   /* of nest and nest-part: where to; NULL = not given */
	const char *revision; /* NULL = not given */
};

struct recipe {
	const char *deb_version;	      /* NULL = not given */
	const struct recipe_branch *branches; /* the first is the base */
	size_t branches_len;
};

/* The error (ERR_INVALID, or ERR_TOO_LARGE) begins with "line N: ". */
int recipe_parse(const char *text, size_t len, struct arena *a, struct recipe *out, struct err *e);

#endif
