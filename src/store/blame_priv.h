/* Quarantine of workers inside the store. */
#ifndef SLIPWAY_STORE_BLAME_PRIV_H
#define SLIPWAY_STORE_BLAME_PRIV_H

#include <stdint.h>

struct err;
struct tx;

/* Into quarantine, and into the audit; nothing if it is there. suspect_of: only on suspicion, because of this job; 0 = none. */
int worker_take_out(struct tx *tx, int64_t id, const char *name, const char *reason, int64_t suspect_of,
		    struct err *e);
/* A clean count. `why`: also out of quarantine, and that goes into the audit; NULL: it stays where it is. */
int worker_let_in(struct tx *tx, int64_t id, const char *name, const char *why, struct err *e);

#endif
