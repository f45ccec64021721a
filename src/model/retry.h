/* What becomes of a job when an attempt has ended: pure rules, one place. Any thread. */
#ifndef SLIPWAY_MODEL_RETRY_H
#define SLIPWAY_MODEL_RETRY_H

#include "model/job.h"

struct verdict {
	enum job_state state;
	enum job_reason reason;
	int failures, losses; /* the job's counters after this */
	int64_t run_at_ms;    /* for STATE_SCHEDULED */
};

enum { RETRY_DELAY_MAX_MS = 24 * 3600 * 1000 };

/* A failed attempt is tried again, after retry_delay doubled for each failure before (bounded by
 * RETRY_DELAY_MAX_MS), until max_attempts failures; with no delay it waits again at once. A lost one waits again
 * (until model/blame.h says that it is to blame). A released one waits again and counts for nobody. A cancel that was asked for wins over
 * everything but success. */
struct verdict retry_decide(const struct job *j, enum attempt_outcome o, enum job_reason r, int64_t now_ms);

#endif
