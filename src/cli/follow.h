/* A job as it happens: the log of its attempts, one after another, until it has ended; and the exit status that a job's
 * end means. A server that starts again is waited for (the job goes on without it). Main thread only. */
#ifndef SLIPWAY_CLI_FOLLOW_H
#define SLIPWAY_CLI_FOLLOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api;
struct cli;
struct err;

struct follow {
	struct api *api;
	int64_t job;
	int attempt;	     /* begin with this one; 0 = the newest there is, or the first that comes */
	bool is_one_attempt; /* end with it */
	bool is_raw;	     /* bytes go to a terminal as they are */
	int out_fd;	     /* where the log goes */
	bool is_cancelling; /* the first interrupt cancels the job, the second leaves; else the first leaves */
};

/* Gives the exit status as follow_status() has it (0 with is_one_attempt), 128 + SIGINT if the user left, or -1. */
int follow_job(const struct follow *f, struct err *e);

/* What build, recipe and target do with --follow: follow each job in turn, its log on stderr (stdout has the numbers).
 * Gives the largest status; 0 at once without --follow. */
int follow_if_asked(struct cli *c, const int64_t *ids, size_t n, struct err *e);

/* What the end of a job means for `run` and `wait`: `o` has state, reason, exit_code and signal. Says nothing. */
int follow_status(const json_t *o);
/* Says on stderr how the job ended, unless it simply succeeded or exited. */
void follow_say_end(const json_t *o);

#endif
