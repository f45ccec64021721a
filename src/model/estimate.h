/* When a waiting job starts and ends: from how long the jobs take that have the slots now and that are ahead of it.
 *
 * What may happen is played through, ESTIMATE_PLAYS times: each run takes as long as chance will have it, and the next in the order takes the slot
 * that is free first. Of the starts and ends that come out, eight of ten are in the range that is given. Chance is the same each time
 * (a number for each play and place), so the answer changes only with what is known, and
 *   - one more ahead never makes it earlier, one more slot never later;
 *   - low <= likely <= high, and nothing is before now.
 *
 * The cost has a bound: of what runs and of what waits no more than ESTIMATE_ONES are looked at one by one; the others are a number,
 * and take as long as is usual in the lane. Pure; any thread. */
#ifndef SLIPWAY_MODEL_ESTIMATE_H
#define SLIPWAY_MODEL_ESTIMATE_H

#include <stddef.h>
#include <stdint.h>

#include "model/duration.h"

enum {
	ESTIMATE_PLAYS = 101,
	ESTIMATE_ONES = 256,
};

struct estimate_run {
	struct duration took; /* n 0: nothing is known of such runs */
	int64_t elapsed_ms;
};

struct estimate_queue {
	int64_t slots; /* of workers that could run it; at least 1 */
	/* What has them, or waits at a worker for one: all, or the first ESTIMATE_ONES of running_n. */
	const struct estimate_run *running;
	size_t running_len;
	int64_t running_n;
	/* The next in the order; before it, so many more, and of jobs whose turn may come first or not. */
	const struct duration *ahead;
	size_t ahead_len;
	int64_t ahead_more, ahead_perhaps;
	struct duration usual; /* in its lane; n > 0 */
	struct duration own;   /* n > 0 */
};

struct estimate {
	struct span start, end; /* from now */
};

void estimate_play(const struct estimate_queue *q, struct estimate *out);

/* How good estimates were: each is compared with what came, and new ones count for more than old ones. */
struct forecast {
	int64_t n;
	double within;	/* the part that came within its range; ought to be .8 */
	double log_off; /* the mean of |ln(what came / what was likely)|: off by a factor of exp of it */
};
enum {
	FORECAST_KEEP = 256,
	FORECAST_LEAST_MS =
		1000, /* nobody asks how far off it was by less than this, nor about runs that take less */
};
/* One comparison. */
struct forecast forecast_of(const struct span *said, int64_t came_ms);
void forecast_add(struct forecast *f, const struct forecast *newer);

#endif
