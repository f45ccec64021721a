/* When a job starts and ends, as far as can be told, and who could run it. From a read task, on its thread.
 *
 * What is known comes from the store (store/durations.h), what follows from it from model/estimate.h. The cost has a bound,
 * however much waits and runs: see the limits in estimates.c. */
#ifndef SLIPWAY_SERVER_ESTIMATES_H
#define SLIPWAY_SERVER_ESTIMATES_H

#include "model/estimate.h"
#include "model/lane.h"

struct arena;
struct err;
struct json_writer;
struct server;
struct tx;

/* Whom of those that are there a lane fits. */
struct fit {
	struct worker *workers; /* all of them */
	size_t n;
	int64_t slots, running, fits, online;
};
int fit_find(struct server *s, struct tx *tx, const struct lane *l, struct arena *a, struct fit *out,
	     struct err *e);
struct lane lane_of_job(const struct job *j);

/* The place in the order. */
struct place {
	int64_t ahead; /* jobs of its owner that go first, on the same workers; counted up to PLACE_CAP of a lane */
	int others;	 /* other owners that have work of its sort; up to PLACE_OWNERS_CAP */
	int64_t perhaps; /* jobs of theirs that may go first */
};
enum { PLACE_CAP = 10000, PLACE_OWNERS_CAP = 20 };

/* Times of the store's clock. */
struct outlook {
	bool has_start, has_end;
	struct span start, end;
	struct place place; /* of one that waits and is not held back */
	struct span takes;  /* such a run, as a whole; if has_takes */
	bool has_takes;
	const char *basis; /* "12 runs of make"; NULL: nothing like it has succeeded yet */
};
/* Of a job that waits, runs or is collected; of others nothing is known. What is said of a start is remembered, to be compared. */
int outlook_find(struct server *s, struct tx *tx, const struct job *j, struct arena *a, struct outlook *out,
		 struct err *e);
/* The value of "estimate": an object, or null where nothing can be said. */
void outlook_render(const struct outlook *o, struct json_writer *w);
/* "about 4 min (2–9 min)", from one time to a span of times. NULL: out of memory. */
const char *outlook_words(const struct span *at, int64_t from_ms, struct arena *a);

/* The value of "estimates" of a status: how good they were. */
int outlook_render_forecasts(struct tx *tx, struct json_writer *w, struct err *e);

#endif
