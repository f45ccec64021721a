/* A PostgreSQL and its standby, which each commit waits for: what tests/pg does, as calls. One at a time. A call that fails ends
 * the test with a message. */
#ifndef SLIPWAY_TORTURE_CLUSTER_H
#define SLIPWAY_TORTURE_CLUSTER_H

#include <stddef.h>

/* "" = there can be one here, else what the machine lacks. Gives `why`. */
const char *cluster_why_not(char *why, size_t room);
/* Its URL, for which the server that takes writes is found. It is removed when the process exits. */
const char *cluster_make(void);
/* `tests/pg WORD`, of all of it, or of one of the two. */
void cluster_do(const char *word);
void cluster_do_at(const char *word, int i);
void cluster_remove(void);

#endif
