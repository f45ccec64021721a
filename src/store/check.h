/* admin check: every invariant of the store, as queries and a walk over blobs and logs. In a read task. */
#ifndef SLIPWAY_STORE_CHECK_H
#define SLIPWAY_STORE_CHECK_H

struct err;
struct tx;

/* Calls `found` once for each violation, with a sentence naming the row. *violations counts them. */
int store_check(struct tx *tx, void (*found)(void *ctx, const char *text), void *ctx, int *violations,
		struct err *e);

#endif
