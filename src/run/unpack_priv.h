/* Unpack a root image into the folder that is this process's root. */
#ifndef SLIPWAY_RUN_UNPACK_PRIV_H
#define SLIPWAY_RUN_UNPACK_PRIV_H

#include <stdint.h>

struct err;

/* A tar archive, compressed or not, from its start. Owners by number; no device nodes, nothing under dev/, of the extended
 * attributes only file capabilities. Fails if its SHA-256 is another. *size_bytes: about as much as it takes. */
int unpack_archive(int tar_fd, const char *sha256, int64_t *size_bytes, struct err *e);

#endif
