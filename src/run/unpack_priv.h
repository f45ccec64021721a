/* Unpack a root image into the folder that is this process's root. */
#ifndef SLIPWAY_RUN_UNPACK_PRIV_H
#define SLIPWAY_RUN_UNPACK_PRIV_H

struct err;

/* A tar archive, compressed or not, from its start. Owners by number; no device nodes, nothing under dev/, of the extended
 * attributes only file capabilities. Fails if its SHA-256 is another. */
int unpack_archive(int tar_fd, const char *sha256, struct err *e);

#endif
