/* Limit keys: of the jobs of one owner with the same key at most n run at a time, on whatever worker and server.
 *
 * The row of a key counts what runs. Of what waits, each lane keeps the best n - running open and gates all others:
 * dispatch looks at open jobs only, so that a hundred thousand behind a full key cost nothing. A gate opens and shuts in the
 * transaction that changes what runs or waits (job_move.c, submit.c, control.c), by key_moved() and key_settle().
 *
 * On PostgreSQL whoever changes anything of a key holds its row until he commits, so that all servers keep one count. Dispatch does not wait
 * for it: a key that is held has no room this time. What two servers hold crosswise the database finds, and one of
 * the transactions is run again. */
#ifndef SLIPWAY_STORE_LIMIT_KEYS_PRIV_H
#define SLIPWAY_STORE_LIMIT_KEYS_PRIV_H

#include "store/job_priv.h"

/* The number of an owner's key, made if there is none; 0 for a key without a name. n is from now on that of who asked last. */
int limit_key_id(struct tx *tx, int64_t owner, const struct limit_key *k, int64_t *id, struct err *e);
/* Its name and n, for a job's row. */
int limit_key_get(struct tx *tx, int64_t id, struct arena *a, struct limit_key *out, struct err *e);
/* How many more may run now, for dispatch: 0 too if another server holds it. */
int limit_key_room(struct tx *tx, int64_t id, int64_t *left, struct err *e);

/* The job's state was `from` and is what the row says, and was written with its gate shut if it waits: count it, and
 * set the gates. Nothing for a job without a key. */
int key_moved(struct tx *tx, const struct job_row *r, enum job_state from, struct err *e);
/* A waiting job's place in its lane has changed. */
int key_settle(struct tx *tx, const struct job_row *r, struct err *e);

#endif
