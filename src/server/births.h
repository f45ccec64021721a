/* Jobs are born here, from bodies and as follow-ups: the kind's check, then the rows, then what a new job means for
 * its target. In two parts, so that what needs no look into the store is done before its thread is asked. */
#ifndef SLIPWAY_SERVER_BIRTHS_H
#define SLIPWAY_SERVER_BIRTHS_H

#include <stdbool.h>

#include "store/jobs.h"

struct arena;
struct err;
struct server;
struct tx;

/* Any thread. *needs_store: births_check_in() must follow; else the body is checked. */
int births_check(struct server *s, struct job_new *news, struct arena *a, bool *needs_store, struct err *e);
int births_check_in(struct tx *tx, struct server *s, struct job_new *news, struct arena *a, struct err *e);
/* Checked bodies become jobs; `births` has room for n. */
int births_submit(struct tx *tx, const struct job_new *news, size_t n, const char *actor, struct arena *a,
		  struct job_birth *births, struct err *e);

#endif
