/* Whose fault was it? Pure rules for failures that are not the job's own doing: its worker vanished, could not use what it
 * was given, could not make the sandbox.
 *
 * Nobody can tell from one such failure whether the worker or the job is broken. So each counts on both, and the counts are
 * kept: the worker's until a job succeeds there, the job's until a person retries it. A broken worker meets one job after
 * the other and its count grows past each of theirs; a poisonous job meets one worker after the other and its count grows
 * past each of theirs. At BLAME_MAX the larger one is taken out.
 *
 * Equal counts at BLAME_MAX mean that the two have only met each other. Where somebody else could run the job the worker is
 * taken out on suspicion and the job is tried there: if it fails there too, the job's count is the larger, it ends, and
 * whom it broke is back with clean counts. Where there is nobody else the job ends; the worker keeps its count, and the next
 * job that is lost there takes the worker out, so that a broken worker that is alone spoils one job and not all.
 *
 * However workers and jobs are mixed, a job that is alive has a count of at most BLAME_MAX and is lost at most once more
 * (but for each worker that was taken out by it): nothing goes on for ever. Any thread. Why so: docs/adr/012. */
#ifndef SLIPWAY_MODEL_BLAME_H
#define SLIPWAY_MODEL_BLAME_H

#include <stdbool.h>

enum {
	BLAME_MAX = 5,
	/* So many attempts in a row that were given back without having run, and the next counts as a failure. */
	BLAME_GIVEN_BACK_MAX = 20,
	/* So many beats may be missed and nothing has happened; the next is one failure (server_beat_ms()). */
	BLAME_BEATS_MISSED_MAX = 5,
};

/* The counts before this failure. */
struct blame_case {
	int worker, job;
	bool is_counted; /* the worker's part was counted already: it died once, with several jobs */
	int others;	 /* other workers that could run the job now */
};

struct blame {
	int worker, job;	/* the counts after it */
	bool is_worker_out;	/* to be quarantined */
	bool is_worker_suspect; /* that only on suspicion: it is back if the job turns out to be to blame */
	bool is_job_out;	/* to end as failed (lost) */
	bool is_clearing;	/* the job is to blame: whom it broke is back with a clean count */
};

struct blame blame_judge(const struct blame_case *c);

#endif
