/* Durations while a transaction is written. For src/store/ only. */
#ifndef SLIPWAY_STORE_DURATIONS_PRIV_H
#define SLIPWAY_STORE_DURATIONS_PRIV_H

#include "store/durations.h"
#include "store/job_priv.h"

/* A row's key: numbers of strings, 0 = none. The lane's own has nothing but the lane. */
struct duration_key {
	int64_t lane, owner, target;
	char name[JOB_NAME_MAX + 1];
};

/* A run that succeeded, not written yet. */
struct run_noted {
	struct duration_key key;
	int64_t ms;
};

/* An attempt ended so. */
int durations_note(struct tx *tx, const struct job_row *r, const struct job_end *end, struct err *e);
/* Compares all that was noted with what was known before, and adds it. */
int durations_flush(struct tx *tx, struct err *e);

/* Adds to what is known of such estimates. */
int forecasts_add(struct tx *tx, enum forecast_what what, const struct forecast *f, struct err *e);
/* What this transaction starts is compared with what was told. */
int forecasts_flush(struct tx *tx, struct err *e);
/* It is durable: what has started is not remembered any more. */
void forecasts_settle(struct tx *tx);

#endif
