/* Debian's control format: paragraphs of "Name: value" with continuation lines.
 *
 * Strings are copied into the arena. A value keeps its line ends but not the space that begins each line; a line of
 * "." stays as it is. Comments (#) are skipped, and so is the armour of a clearsigned file: nothing here checks a
 * signature. Pure; any thread. */
#ifndef SLIPWAY_TEXT_DEB822_H
#define SLIPWAY_TEXT_DEB822_H

#include <stddef.h>

struct arena;
struct err;

struct deb822_field {
	const char *name, *value;
};

struct deb822 {
	const struct deb822_field *fields;
	size_t fields_len;
};

/* The next paragraph of the text; *used says how far it reaches (0 in fields_len: there is none any more). Errors
 * begin with "line N: ", counted from `text`. */
int deb822_parse(const char *text, size_t len, struct arena *a, struct deb822 *out, size_t *used,
		 struct err *e);
/* Whatever the case of the letters; NULL if it is not there. */
const char *deb822_find(const struct deb822 *d, const char *name);

#endif
