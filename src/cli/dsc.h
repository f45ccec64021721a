/* Reading a .dsc: the package it describes and the files it consists of. A signature around it is passed over, not
 * checked: the target's own tools do that. Pure; any thread. */
#ifndef SLIPWAY_CLI_DSC_H
#define SLIPWAY_CLI_DSC_H

#include <stddef.h>
#include <stdint.h>

struct err;

struct dsc_file {
	char *name; /* safe: no slash */
	int64_t size_bytes;
	char sha256[65];
};

struct dsc {
	char *source, *version;
	struct dsc_file *files; /* of Checksums-Sha256 */
	size_t files_len;
};

/* *out is to be released also after an error. */
int dsc_parse(const char *text, size_t len, struct dsc *out, struct err *e);
void dsc_release(struct dsc *d);

#endif
