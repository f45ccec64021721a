/* How long runs take, as the table of durations knows it, and what estimates need of the queue. From a task's run() only.
 *
 * A run that succeeded is added in the transaction that records it: all runs of one transaction together, when it is flushed
 * (durations_priv.h), so that many ends of one sort cost two small statements. Everything here reads.
 * What is alike: model/duration.h (duration_name). What is done with it: model/estimate.h. */
#ifndef SLIPWAY_STORE_DURATIONS_H
#define SLIPWAY_STORE_DURATIONS_H

#include <stdbool.h>

#include "model/estimate.h"

struct arena;
struct err;
struct tx;

/* The durations asked for by one question: each is looked up once, and no more than a hundred or so; beyond, what is known of
 * the lane must do. In the arena. NULL: out of memory. */
struct durations;
struct durations *durations_new(struct tx *tx, struct arena *a);

struct duration_known {
	struct duration took;	     /* n 0: nothing like it has succeeded */
	bool is_lane;		     /* of its lane, as nothing is known of its name */
	char name[JOB_NAME_MAX + 1]; /* what it goes by */
};
int durations_find(struct durations *d, const struct job *j, struct duration_known *out, struct err *e);
/* Of all runs in the lane. */
int durations_lane(struct durations *d, int64_t lane, struct duration *out, struct err *e);
/* Adds what a worker holds, as long as there is room for it. */
int durations_running(struct durations *d, int64_t worker, struct estimate_run *out, size_t room, size_t *len,
		      struct err *e);
/* Adds the first of the jobs of a waiting job's owner that are ahead of it in its lane. */
int durations_ahead(struct durations *d, const struct job *j, struct duration *out, size_t room, size_t *len,
		    struct err *e);

/* How good estimates were, of both sorts. */
enum forecast_what {
	FORECAST_START = 1,
	FORECAST_RUN = 2,
};
enum { FORECAST_LAST = FORECAST_RUN };
/* n 0: none was compared yet. */
int forecasts_get(struct tx *tx, enum forecast_what what, struct forecast *out, struct err *e);
/* Somebody was told when a waiting job starts, as times on the store's clock; when it does this is compared. The first word counts.
 * Kept in memory, for some thousand jobs. Any thread. */
void forecasts_told(struct tx *tx, int64_t job, const struct span *start);

#endif
