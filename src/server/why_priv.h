/* An explanation in the making: why.c has the states, why_attempt.c what an attempt has to say. */
#ifndef SLIPWAY_SERVER_WHY_PRIV_H
#define SLIPWAY_SERVER_WHY_PRIV_H

#include "server/server_priv.h"
#include "store/jobs.h"
#include "store/records.h"

enum { WHY_CAUSES_MAX = 40 };

struct why {
	struct server *server;
	struct tx *tx;
	struct arena *arena;
	bool is_nested; /* about a job at the end of another's chain */
	struct job job;
	const char *summary, *next;
	struct {
		const char *text;
		int64_t job; /* 0 = none */
	} causes[WHY_CAUSES_MAX];
	size_t causes_len;
	/* at the end of a chain of needs */
	struct job culprit;
	bool has_culprit;
	const char *chain; /* numbers from there to here, each followed by a space; NULL = none */
	/* a log file whose last lines are to be told; 0 = none */
	int64_t log_job, log_size;
	int log_attempt;
};

/* text NULL (no memory) is left out; so is what is too much. */
void why_cause(struct why *y, int64_t job, const char *text);
const char *why_time(struct why *y, int64_t ms);
int why_waiting(struct why *y, const struct job *j, struct err *e);
int why_explain(struct why *y, const struct job *j, struct err *e);
/* How the newest attempt ended: step, detail, last lines of its log. */
int why_attempt(struct why *y, const struct job *j, struct err *e);
/* How often it was lost, on which workers. */
int why_losses(struct why *y, const struct job *j, struct err *e);
/* The last lines out of a file; not on a thread of the store. */
void why_log_tail(struct why *y);

#endif
