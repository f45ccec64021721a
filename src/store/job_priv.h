/* The job's row inside the store: reading it, and the one way its state changes. */
#ifndef SLIPWAY_STORE_JOB_PRIV_H
#define SLIPWAY_STORE_JOB_PRIV_H

#include "store/jobs.h"
#include "store/tx_priv.h"

/* A job with what only the store needs of it. */
struct job_row {
	struct job j;
	int64_t worker;	  /* of its newest attempt; 0 = none */
	int seen_attempt; /* as it stands in the table: what the compare-and-swap compares */
	int events;
	bool is_needed;
	int64_t owner;	   /* number of his name; 0 = none */
	int64_t limit_key; /* 0 = none */
	/* From job_row_get() only. */
	int64_t target; /* number of its name; 0 = none */
	char name[JOB_NAME_MAX + 1];
};

/* What is needed to move a job on: numbers, no strings. ERR_NOT_FOUND. */
int job_row_get(struct tx *tx, int64_t id, struct job_row *out, struct err *e);
/* The columns of a query made of JOB_COLUMNS, strings in the arena. */
int job_row_read(struct tx *tx, struct db_rows *rows, struct arena *a, struct job_row *out, struct err *e);
/* Read all rows of a query of JOB_COLUMNS into an array in the arena. */
int job_rows_collect(struct tx *tx, struct db_rows *rows, size_t limit, struct arena *a, struct job **out,
		     size_t *n, struct err *e);
/* For a query of JOB_COLUMNS, payload. */
const char *job_payload_read(struct tx *tx, struct db_rows *rows, int64_t id, struct arena *a, struct err *e);

/* The one way a state changes. Writes the state and what else the caller changed in r->j (attempt,
 * counters, run_at, started, lease_until, is_cancel_asked, exit_code, signal, artifacts; finished and
 * lease_until follow the state), guarded by what was read; the event; the tally; the change. ERR_CONFLICT:
 * the table of states does not allow it. ERR_STALE: the row is not as it was read. */
int job_move(struct tx *tx, struct job_row *r, enum job_state to, enum job_reason reason, const char *actor,
	     const char *detail, struct err *e);
/* Something worth keeping that is no change of state. */
int job_note(struct tx *tx, struct job_row *r, enum job_reason reason, const char *actor, const char *detail,
	     struct err *e);
/* The birth of a job whose row was inserted with `events` 1. */
int job_born(struct tx *tx, const struct job_row *r, const char *actor, struct err *e);

/* What a job that is held by nothing else would be: blocked, scheduled or waiting. */
enum job_state job_state_free(const struct tx *tx, const struct job *j);

/* The job has reached a final state: those that need it go on, or fail with it, and so on. */
int needs_follow(struct tx *tx, const struct job_row *r, const char *actor, struct err *e);
/* The job was brought back: those that failed because of it are blocked again, and so on. */
int needs_revive(struct tx *tx, int64_t id, const char *actor, struct err *e);

/* Ends the attempt of a leased job (the row as read). */
int job_end_attempt(struct tx *tx, struct job_row *r, const struct job_end *end, const char *actor,
		    struct err *e);

/* blame.c. The attempt of this row was lost: count it on both, and say who is to blame. */
struct blame;
int blame_loss(struct tx *tx, const struct job_row *r, const struct job_end *end, struct blame *out,
	       struct err *e);
/* The job was to blame: whom it broke is back with a clean count. */
int blame_clear(struct tx *tx, int64_t job, struct err *e);

#endif
