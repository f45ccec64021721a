/* Reading a .dsc: the package it describes and the files it consists of. A signature around it is passed over, not
 * checked: the target's own tools do that. Pure; any thread. */
#ifndef SLIPWAY_CLI_DSC_H
#define SLIPWAY_CLI_DSC_H

#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;

struct dsc_file {
	const char *name; /* safe: no slash */
	int64_t size_bytes;
	char sha256[65];
};

struct dsc {
	const char *source, *version;
	const struct dsc_file *files; /* of Checksums-Sha256 */
	size_t files_len;
};

/* Everything in *out is the arena's. */
int dsc_parse(const char *text, size_t len, struct arena *a, struct dsc *out, struct err *e);

#endif
