/* The one machine of states for jobs of every kind, and the reasons a state is given for.
 *
 * Everything that prints, stores, checks or changes a state reads these tables; the database enforces the same
 * by CHECK and by compare-and-swap. The numbers are stored: never reuse or change one. Pure; any thread.
 * Read next: model/job.h. */
#ifndef SLIPWAY_MODEL_STATE_H
#define SLIPWAY_MODEL_STATE_H

#include <stdbool.h>

enum job_state {
	STATE_BLOCKED = 1,
	STATE_SCHEDULED = 2,
	STATE_WAITING = 3,
	STATE_RUNNING = 4,
	STATE_COLLECTING = 5,
	STATE_DEPWAIT = 6,
	STATE_SUSPENDED = 7,
	STATE_SUCCEEDED = 8,
	STATE_FAILED = 9,
	STATE_CANCELLED = 10,
};
enum { STATE_FIRST = STATE_BLOCKED, STATE_LAST = STATE_CANCELLED };

enum job_reason {
	REASON_NONE = 0,
	REASON_EXIT = 1,	/* a process ended with a status that is not 0 */
	REASON_SIGNAL = 2,	/* a process was ended by a signal */
	REASON_TIMEOUT = 3,	/* over its time */
	REASON_SILENCE = 4,	/* wrote nothing for too long */
	REASON_MEMORY = 5,	/* over its memory */
	REASON_DISK = 6,	/* over its disk */
	REASON_PIDS = 7,	/* over its number of processes */
	REASON_OUTPUT = 8,	/* over its log or its artifacts, or they are not what they must be */
	REASON_TARGET = 9,	/* the target is missing or broken */
	REASON_INPUT = 10,	/* an input is missing or not what it must be */
	REASON_COLLECT = 11,	/* what it was to produce is not there or could not be stored */
	REASON_LOST = 12,	/* its workers vanished too often */
	REASON_NEEDS = 13,	/* a job it needs did not succeed */
	REASON_DEPWAIT = 14,	/* a build dependency does not exist */
	REASON_POLICY = 15,	/* a rule of this installation, or a person, said so */
	REASON_SUPERSEDED = 16, /* a newer one took its place */
	REASON_INTERNAL = 17,	/* a failure of the system, not of the job */
};
enum { REASON_LAST = REASON_INTERNAL };

/* Never NULL for a value of the enum; NULL for anything else. */
const char *state_name(enum job_state s);
/* One clause for a person: "may start as soon as a worker fits". */
const char *state_meaning(enum job_state s);
/* 0 if there is no such name. */
enum job_state state_parse(const char *name);
/* succeeded, failed, cancelled: nothing happens to it by itself any more. */
bool state_is_final(enum job_state s);
/* running, collecting: an attempt holds the lease. */
bool state_is_leased(enum job_state s);
/* The table of DESIGN §4. Birth counts as from 0: a job is born blocked, scheduled, waiting or suspended. */
bool state_may_go(enum job_state from, enum job_state to);
/* The same as bits: 1 << to. */
unsigned state_successors(enum job_state from);

/* "" for REASON_NONE, NULL for no value of the enum. */
const char *reason_name(enum job_reason r);
const char *reason_meaning(enum job_reason r);
/* REASON_NONE if there is no such name. */
enum job_reason reason_parse(const char *name);

#endif
