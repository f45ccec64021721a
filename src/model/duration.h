/* How long runs of one sort of work take: what is kept of all of them, and what it says of the next one.
 *
 * Two pairs of mean and variance are kept (Welford; two sets of runs are put together as in Chan, Golub and LeVeque, 1979): of the
 * logarithm, which says how long one run takes, since durations spread by factors (a log-normal law); and of the milliseconds
 * themselves, which say how long many runs take in a row. New runs count for more than old ones: a run never weighs
 * less than 1/keep of what is known, so that what is known follows a change after about `keep` runs.
 *
 * A few runs say little of how far they spread. What is said of them has one imagined run in it that spreads as most work does, so that
 * one run gives a wide range and twenty give their own. Pure; any thread. */
#ifndef SLIPWAY_MODEL_DURATION_H
#define SLIPWAY_MODEL_DURATION_H

#include <stdbool.h>
#include <stdint.h>

#include "model/job.h"

struct duration {
	int64_t n; /* runs; 0: nothing is known */
	double log_mean, log_var;
	double mean_ms, var_ms; /* var_ms: of milliseconds, squared */
};

enum {
	DURATION_KEEP = 32,	  /* runs of one thing */
	DURATION_KEEP_LANE = 256, /* of all things in a lane */
};

/* One run. */
struct duration duration_of(int64_t ms);
/* Adds newer runs; with `keep` 0 all weigh the same. */
void duration_add(struct duration *d, const struct duration *newer, int keep);

/* How long one run takes that has taken `elapsed_ms` so far (0: it has not begun): less than this with probability u (0 < u < 1).
 * Never less than elapsed_ms. One that takes longer than all experience is taken for one of a kind: half of those end when they have
 * taken some more than half as long again. */
double duration_quantile(const struct duration *d, double elapsed_ms, double u);

/* Low and high are such that eight of ten are between them. */
struct span {
	int64_t low_ms, likely_ms, high_ms;
};
struct span duration_span(const struct duration *d, int64_t elapsed_ms);

/* What a run is told apart by among those of its lane, owner and target: the job's name, of a build without the
 * version ("hello" of "hello_2.10-3"). */
void duration_name(enum job_kind kind, const char *name, char out[JOB_NAME_MAX + 1]);

#endif
