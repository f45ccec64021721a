/* Who is next: which of the waiting jobs that fit a worker take its free slots, in which order.
 *
 * The rule
 *   1. Within an owner: the higher priority first; among equals the older job (the smaller number).
 *   2. Between owners: what each has used of the slots lately, in slot-milliseconds divided by the owner's weight, is kept
 *      in a ledger. The owner who has used least is due. At equal priority he goes first, so that owners who always
 *      have work get the slots' time in proportion to their weights, however long their jobs are and however many wait.
 *   3. Priority crosses owners, on credit: a job of a higher priority goes before another owner's as long as its owner is
 *      not more than SHARES_CREDIT_MS ahead of who is due. Once he is, his jobs wait for his turn whatever
 *      their priority. So an urgent job starts at once, but nobody starves others by calling everything urgent: who is due
 *      waits for at most SHARES_CREDIT_MS of slot time for each unit of weight of the others.
 *   4. Who comes anew begins level with who is due, and of those who are level the one goes first of whom the fewest jobs run:
 *      he gets a turn at once, and has no claim to the past.
 *   5. Limits come before all that: an owner's bound of running jobs, and a key's. A job that a limit holds back
 *      is passed over, and the next of its owner may go instead. A slot is left free only if nothing fits in it.
 *
 * Pure: all that is known comes in and all that changes is in the ledger. One thread at a time per ledger. Time is any clock of
 * milliseconds that does not step back. */
#ifndef SLIPWAY_MODEL_CHOOSE_H
#define SLIPWAY_MODEL_CHOOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SHARES_CREDIT_MS = 300 * 1000, /* how far priority carries an owner ahead of his share */
	SHARES_TURN_MS = 10,	       /* what a start costs beside the time: jobs that take none count too */
	SHARES_IDLE_MS = 60 * 1000,    /* not seen with waiting work for so long: he comes anew */
	SHARES_KEEP_MS = 3600 * 1000,  /* so long what he used is remembered */
	OWNER_WEIGHT_MAX = 1000,
	OWNER_WEIGHT_DEFAULT = 1,
};

struct choose_owner {
	int64_t id;
	int weight;	 /* 1 to OWNER_WEIGHT_MAX */
	int running;	 /* his jobs that run now, on whatever worker; choose() counts on */
	int running_max; /* 0 = no bound */
};

struct choose_key {
	int64_t id;
	int64_t left; /* how many more of its jobs may run; choose() counts down */
};

struct choose_job {
	int64_t id;
	int priority;
	int owner; /* index */
	int key;   /* index; -1 = none */
};

struct share {
	int64_t id;  /* the owner */
	double used; /* slot-milliseconds by weight */
	int weight, running;
	int64_t seen_ms;
};

/* The ledger. {0} is empty. */
struct shares {
	struct share *at; /* by id */
	size_t len, cap;
	int64_t now_ms;
};

void shares_release(struct shares *s);

/* Gives how many were chosen; picks[] (room for `slots`) has indexes into jobs[], in the order in which they start.
 * jobs[] is put in order. With more than one owner the ledger is asked and charged; it is not if it has no memory left, and
 * then owners are level. */
size_t choose(struct shares *s, int64_t now_ms, struct choose_owner *owners, size_t owners_len,
	      struct choose_key *keys, struct choose_job *jobs, size_t jobs_len, size_t slots, size_t *picks);

/* How far an owner is ahead of the one who is due, of those that have had waiting work lately; for `why`. 0: he is due. */
double shares_lead_ms(const struct shares *s, int64_t owner, int64_t now_ms);

#endif
