/* A lease call: results in, attempts out. Its states: in a task of the store, parked in the hub, answered. */
#ifndef SLIPWAY_SERVER_LEASE_H
#define SLIPWAY_SERVER_LEASE_H

#include "model/spec.h"
#include "server/server_priv.h"

/* What settles or plans a job beside its row. */
struct job_facts {
	struct job job;
	const char *suite, *arch, *image; /* of its target; "" */
	const char *build_type, *build_source, *recipe_text;
};

struct lease_result {
	struct outcome outcome;
	bool is_ok;
	const char *error; /* name of an err_code */
};

/* Of the feed. */
struct attempt_id {
	int64_t job;
	int attempt;
};

struct lease_call {
	struct ask *ask;
	struct server *server;
	struct store_task task;
	struct arena arena; /* of the newest run */
	int free;
	int64_t asked;	  /* what it said is free */
	int64_t since_ms; /* boot clock: when it came … */
	int64_t until_ms; /* … and may not be parked any more */
	struct lease_result *results;
	size_t results_len;
	struct attempt_id *holding;
	size_t holding_len;
	const char *status; /* "" = none came with it */
	bool is_status_due; /* it is to be stored */
	struct attempt_id *dropped;
	size_t dropped_len;
	const char *unclean;	  /* what its worker could not clean; "" */
	struct attempt_id *stuck; /* attempts whose processes do not die */
	size_t stuck_len;
	bool has_holding, is_recorded; /* results and holding are done with */

	/* of the newest run */
	int64_t waited_ms; /* from its coming until then: leases begin there */
	struct worker worker;
	struct job_facts *granted;
	size_t granted_len;
	bool is_greedy;	 /* it was put into quarantine for it */
	bool is_adopted; /* it made the session known; of this task, however often it runs */

	/* guarded by the server's lock */
	bool is_parked, is_wanted, is_superseded, is_over;
	struct lease_call *next, **link;
	struct attempt_id *cancels;
	size_t cancels_len;
};

/* (locked) Answer with what it has. It is not parked any more. */
void lease_answer_empty(struct lease_call *c);
/* (locked) Run it again: there may be something for it. */
void lease_again(struct lease_call *c);

/* lease_record.c: results, and what else the call says of attempts. */
int lease_record(struct lease_call *c, struct tx *tx, struct err *e);

/* settle.c: record the end of one attempt with all that follows from it. ERR_STALE in `r` is no error. */
int lease_settle(struct tx *tx, struct server *s, struct arena *a, const struct worker *w,
		 struct lease_result *r, struct err *e);
int job_facts_load(struct tx *tx, struct arena *a, struct job_facts *f, struct err *e);

#endif
