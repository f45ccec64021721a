/* A folder as a tar archive that is the same for the same content: sorted names, owner 0, no records of version
 * control (.git and its like). Links are kept as links; what is neither file, folder nor link is refused. One thread. */
#ifndef SLIPWAY_CLI_TREE_H
#define SLIPWAY_CLI_TREE_H

#include <stdint.h>

struct err;

enum { TREE_ENTRIES_MAX = 1000000 };
#define TREE_MAX_BYTES (INT64_C(16) << 30)

/* Everything in `path` beneath the folder `prefix` of the archive. A descriptor of a file without a name, or -1. */
int tree_pack(const char *path, const char *prefix, struct err *e);

#endif
