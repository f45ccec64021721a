/* A growing list of numbers. */
#ifndef SLIPWAY_STORE_IDS_PRIV_H
#define SLIPWAY_STORE_IDS_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "store/tx_priv.h"

struct ids {
	int64_t *at;
	size_t len, cap;
};
#define IDS_INIT           \
	{                  \
		.at = NULL \
	}
#define CLEAN_IDS __attribute__((cleanup(ids_release)))

void ids_release(struct ids *ids);
int ids_add(struct ids *ids, int64_t id, struct err *e);
/* Append the first column of a query's rows. */
int ids_query(struct tx *tx, enum stmt stmt, const struct db_value *args, size_t n, struct ids *ids,
	      struct err *e);

#endif
