/* Build types: folders types/NAME with a type.ini and step scripts, that say how something is built inside a target.
 * Those of the source tree are built into the program; a folder of an installation's own adds more, or replaces them.
 *
 * type.ini:
 *   [type]            summary = …    scratch = memory|disk    collect = GLOB (repeatable)   timeout, silence = duration
 *                     sources = GLOB (repeatable: each input must match one)
 *                     internal = yes (the steps of a kind of job, not offered for builds)
 *   [step NAME]       run = FILE ARG…   user = build|root   network = none|mirror|full   timeout = …
 *                     reason = input|…  (recorded if it fails)     always = yes|no
 * Steps run in the order of the file. FILE is a file of the folder; a step finds the folder at .type/ in its work
 * folder. A step may write result.json: {"version":…,"missing":["libfoo-dev (>= 2)"…],"step":…,"message":…,
 * "reason":…}. It is bounded and not trusted: a reason counts only from a step that ran as root, before code of the
 * source could run.
 *
 * Loading reads files, so it is the server's to call at start; after that a set is read-only: any thread. */
#ifndef SLIPWAY_KIND_BUILD_TYPE_H
#define SLIPWAY_KIND_BUILD_TYPE_H

#include <stddef.h>

#include "model/spec.h"

struct build_types;
struct err;

struct build_type_file {
	const char *name; /* relative to the folder */
	const char *content;
	size_t len;
	int mode;
	char sha256[65]; /* set at load */
};

struct build_type {
	const char *name, *summary;
	bool is_internal;
	enum spec_scratch scratch;
	const char *const *collect;
	const char *const *sources;
	const struct spec_step *steps; /* argv[0] is ".type/FILE" */
	size_t steps_len;
	int64_t timeout_ms, silence_ms;
	const struct build_type_file *files; /* whole folder, to be given as inputs ".type/…" */
	size_t files_len;
};

/* The built-in ones and every folder of `dir` (NULL: none); an error names file and line. */
int build_types_load(const char *dir, struct build_types **out, struct err *e);
void build_types_free(struct build_types *t);
const struct build_type *build_types_find(const struct build_types *t, const char *name);
const struct build_type *build_types_at(const struct build_types *t,
					size_t i); /* NULL at the end; sorted by name */

#endif
