/* src/run as the test of the worker plays it: it sees what is started and stopped, and says when something ends. The
 * worker runs in another thread; everything passes through two pipes, so nothing here needs a lock. */
#ifndef SLIPWAY_TESTS_FAKE_RUN_H
#define SLIPWAY_TESTS_FAKE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "model/spec.h"

enum fake_what { FAKE_OPENED, FAKE_STARTED, FAKE_STOPPED, FAKE_KEPT, FAKE_CLOSED };

/* What the worker asked of it, in order. */
struct fake_event {
	enum fake_what what;
	int64_t job;
	int attempt;
	int how;	  /* FAKE_STOPPED: enum run_stop */
	int64_t until_ms; /* FAKE_KEPT */
	char blob_dir[100], log_dir[100];
};

/* New pipes: to be called before the worker starts. */
void fake_run_reset(void);
void fake_run_release(void);
/* The next thing of this sort; what is passed over is lost. Ends the test when it does not come. */
struct fake_event fake_run_take(enum fake_what what);
/* Is there one within `ms`? */
bool fake_run_comes(enum fake_what what, int ms, struct fake_event *out);
/* Let the worker's thread be told so. Strings and descriptors must stay good until it was. */
void fake_run_finish(const struct outcome *o, const int *fds);
void fake_run_log(int64_t job, int attempt, int64_t size_bytes);
/* The next run_start() fails. */
extern bool fake_run_refuses;
/* Attempt 1 of this job does not die; 0: all is clean. */
extern _Atomic int64_t fake_run_stuck_job;

#endif
