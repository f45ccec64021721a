/* Which jobs a lease gives out: what may run is found, and model/choose.h chooses.
 *
 * A lane's index is in the order of owners, so one page of it tells whether there is more than one owner; only then the others
 * are stepped to, one seek each, OWNERS_SEEN of them at most: where there are more, the next lease begins where
 * this one ended. What waits behind an owner's best jobs, or behind a full limit key, is never read.
 *
 * The ledger of shares is in memory, each server's own: each of them shares out what it gives in the same parts. A
 * transaction that is run again charges twice, which is one turn. */
#ifndef SLIPWAY_STORE_CANDIDATES_PRIV_H
#define SLIPWAY_STORE_CANDIDATES_PRIV_H

#include "store/tx_priv.h"

/* Their numbers, in the order in which they start; on PostgreSQL their rows are held. */
int candidates_choose(struct tx *tx, const int64_t *lanes, size_t lanes_len, size_t slots, struct arena *a,
		      int64_t **out, size_t *n, struct err *e);

#endif
