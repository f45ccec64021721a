/* Files built into the program. `tools/embed NAME FILE…` writes the C source of one table:
 *
 *   extern const struct embed_file NAME[];   ended by a row whose name is NULL
 *
 * in the order given. Each is followed by a NUL that does not count, so a text file is a string. Constant; any
 * thread. */
#ifndef SLIPWAY_BASE_EMBED_H
#define SLIPWAY_BASE_EMBED_H

#include <stddef.h>

struct embed_file {
	const char *name; /* the file's name without its folder */
	const unsigned char *bytes;
	size_t size_bytes;
};

/* The row of that name, or NULL. */
const struct embed_file *embed_find(const struct embed_file *table, const char *name);

#endif
