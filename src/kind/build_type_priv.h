/* Reading a build type: its type.ini, and the types built into the program. */
#ifndef SLIPWAY_KIND_BUILD_TYPE_PRIV_H
#define SLIPWAY_KIND_BUILD_TYPE_PRIV_H

#include "base/embed.h"
#include "kind/build_type.h"

struct arena;

/* A word for names of types and steps: [a-z0-9][a-z0-9-]*, at most 40. */
bool build_type_is_name(const char *name);
/* Fill in what type.ini says. t->name and t->files are there; `text` is the file. Errors begin with "type.ini:LINE: ". */
int type_ini_parse(const char *text, size_t len, struct build_type *t, struct arena *a, struct err *e);

struct builtin_type {
	const char *name; /* NULL at the end of the table */
	const struct embed_file *files;
};
extern const struct builtin_type builtin_types[];

#endif
