/* What is set for owners, as dispatch and submission see it: known for a second, so that neither asks each time. */
#ifndef SLIPWAY_STORE_OWNERS_PRIV_H
#define SLIPWAY_STORE_OWNERS_PRIV_H

#include "store/tx_priv.h"

struct owner_row {
	int64_t id;
	int weight, running_max;
	const char *zone;
};

void owner_cache_release(struct owner_cache *c);
/* Borrowed until the task ends; the default for who has no row. NULL: an error. */
const struct owner_row *owner_find(struct tx *tx, int64_t owner, struct err *e);
/* A job of his has ended: who waits for work is told of what he has waiting, if a bound held it back. */
int owner_left(struct tx *tx, int64_t owner, struct err *e);

#endif
