/* The job table: births, changes of state, dispatch and lists. From a task's run() only (store/store.h).
 *
 * Every change of state is a compare-and-swap on (state, attempt) and writes its event in the same
 * transaction. `actor` says who: "owner:root", "worker:host", "server". Lists and dispatch read the job
 * table alone. */
#ifndef SLIPWAY_STORE_JOBS_H
#define SLIPWAY_STORE_JOBS_H

#include "model/job.h"
#include "model/lane.h"
#include "model/retry.h"

struct arena;
struct err;
struct tx;

struct job_birth {
	int64_t id;
	bool is_new;  /* false: a live job with this dedupe key exists; id is its number */
	int64_t lane; /* of a new one */
};

/* One or many, all or none; numbers in order. Needs are checked (exist, no cycle among "#n"; a need that
 * has failed already makes the job failed (needs) at birth). `births` has room for n. ERR_INVALID names
 * the line. */
int jobs_submit(struct tx *tx, const struct job_new *news, size_t n, const char *actor,
		struct job_birth *births, struct err *e);

/* ERR_NOT_FOUND if there is no such job. The payload is read only if asked for. */
int jobs_get(struct tx *tx, int64_t id, bool with_payload, struct arena *a, struct job *out, struct err *e);

struct job_filter {
	enum job_kind kind;			    /* 0 = any, and so on */
	unsigned states;			    /* bits (1 << state); 0 = any */
	const char *owner, *worker, *name, *target; /* name: exact, or a prefix if it ends in "*" */
	int64_t chain;
	int64_t before; /* only numbers below; 0 = from the newest */
	int limit;	/* 1..1000 */
};
/* Newest first. Gives an array in the arena. */
int jobs_list(struct tx *tx, const struct job_filter *f, struct arena *a, struct job **out, size_t *n,
	      struct err *e);
/* What it needs and what needs it, lowest number first, at most `limit` each. */
int jobs_needs(struct tx *tx, int64_t id, int limit, struct arena *a, struct job **out, size_t *n,
	       struct err *e);
int jobs_dependants(struct tx *tx, int64_t id, int limit, struct arena *a, struct job **out, size_t *n,
		    struct err *e);

/* The detail of a build: type, source, version ("" = not known yet). is_found false for other kinds. */
struct build_row {
	bool is_found;
	const char *type, *source, *version;
};
int jobs_build_get(struct tx *tx, int64_t id, struct arena *a, struct build_row *out, struct err *e);
int jobs_build_set_version(struct tx *tx, int64_t id, const char *version, struct err *e);
/* What its newest attempt that ended left in result.json, as the worker brought it: any text. NULL: nothing. */
int jobs_result_get(struct tx *tx, int64_t id, struct arena *a, const char **text, struct err *e);
int jobs_recipe_get(struct tx *tx, int64_t id, struct arena *a, const char **text, struct err *e);

/* Dispatch: waiting jobs of these lanes, chosen by the rule in model/choose.h, become running under new attempts
 * held by the worker until lease_until. Gives them with payload. */
int jobs_take(struct tx *tx, const int64_t *lanes, size_t lanes_len, int limit, const struct worker *w,
	      int64_t lease_until_ms, struct arena *a, struct job **out, size_t *n, struct err *e);
/* Renew all attempts of the worker's session. */
int jobs_renew(struct tx *tx, int64_t worker, int64_t lease_until_ms, struct err *e);
/* running → collecting; ERR_STALE if the attempt does not hold the lease. */
int jobs_collecting(struct tx *tx, int64_t id, int attempt, struct err *e);
int jobs_progress(struct tx *tx, int64_t id, int attempt, const char *progress, struct err *e);

/* How an attempt ended, for jobs_finish(): what the worker (or nobody: LOST, RELEASED by the server) said,
 * after the kind had its say. */
struct job_end {
	int64_t job;
	int attempt;
	int64_t worker; /* who says so: it must be the one that holds the lease; 0 = the server */
	enum attempt_outcome outcome;
	enum job_reason reason;
	const char *step, *detail;
	int exit_code, signal;
	struct usage usage;
	int64_t log_bytes;
	bool is_log_truncated;
	const void *log; /* inline log, or NULL */
	size_t log_len;
	const char *result; /* JSON, or NULL; kept in the job's row */
	const struct artifact *artifacts;
	size_t artifacts_len;
	/* Of LOST only. With its worker, who may have held more: one failure of that one. */
	bool is_death;
	/* What the worker says of it cannot be true: it may still run there. Both are taken out at once. */
	bool is_untrue;
};
/* Ends the attempt and moves the job on by retry_decide(), and by blame_judge() if it is LOST, which may put its worker
 * into quarantine: follow-up of needs, events, artifacts, log, all
 * in one. ERR_STALE if this attempt does not hold the lease (and nothing changes). A repeated end that was
 * recorded before with the same outcome gives ERR_STALE too; *is_repeat says so. *state is the job's new
 * state. */
int jobs_finish(struct tx *tx, const struct job_end *end, const char *actor, enum job_state *state,
		bool *is_repeat, struct err *e);

/* What people ask for. Each gives ERR_CONFLICT with a sentence when the state does not allow it. */
int jobs_cancel(struct tx *tx, int64_t id, const char *actor, struct err *e); /* running: cancel_asked */
int jobs_suspend(struct tx *tx, int64_t id, const char *actor, struct err *e);
int jobs_resume(struct tx *tx, int64_t id, const char *actor, struct err *e);
int jobs_retry(struct tx *tx, int64_t id, const char *actor, struct err *e); /* failed, cancelled, depwait */
int jobs_rerun(struct tx *tx, int64_t id, const char *actor, int64_t *new_id, struct err *e);
int jobs_set_priority(struct tx *tx, int64_t id, int priority, const char *actor, struct err *e);

/* Duties of time, for the server's tick. *next_ms: when to come again (0 = nothing scheduled). */
int jobs_wake_due(struct tx *tx, int limit, int64_t *next_ms, struct err *e);
/* What is known of attempts beside the tables: whether one was still queued at its worker when that was last heard of.
 * Such a one is given back and not lost. NULL: nothing is known. */
struct attempt_view {
	bool (*is_queued)(void *ctx, int64_t job, int attempt);
	void *ctx;
};
/* Attempts whose lease ended more than `grace` ago are lost; given back, if another server is what was not heard of. */
int jobs_expire(struct tx *tx, int limit, int64_t grace_ms, const struct attempt_view *v, int64_t *next_ms,
		struct err *e);
/* Every attempt this worker holds from another session than `session` (NULL: any) ends as `outcome` (LOST or
 * RELEASED). Gives how many. */
int jobs_reclaim(struct tx *tx, int64_t worker, const char *session, enum attempt_outcome outcome,
		 const char *detail, const struct attempt_view *v, int *n, struct err *e);
/* Every worker's leases are good until then at least, whatever they were. */
int jobs_renew_all(struct tx *tx, int64_t lease_until_ms, struct err *e);
/* The attempts a worker holds now, with cancel_asked. */
int jobs_held(struct tx *tx, int64_t worker, struct arena *a, struct job **out, size_t *n, struct err *e);
/* depwait builds of a target wait again. */
int jobs_wake_depwait(struct tx *tx, const char *target, const char *actor, struct err *e);

/* For status and why. Numbers come from tallies kept with each transaction, not from scans. */
struct tally {
	enum job_kind kind;
	enum job_state state;
	int64_t n;
};
int jobs_tallies(struct tx *tx, struct arena *a, struct tally **out, size_t *n, struct err *e);
/* What limits say of a waiting job just now. */
enum { HOLDERS_MAX = 3 };
struct job_hold {
	bool is_gated; /* its limit key has no room for it */
	int64_t key_running;
	int64_t holders[HOLDERS_MAX]; /* jobs that run under the key */
	size_t holders_len;
	int64_t owner_running; /* counted if he has a bound */
	int owner_running_max; /* 0 = no bound */
};
int jobs_hold(struct tx *tx, const struct job *j, struct job_hold *out, struct err *e);
/* How many other owners have work that may start in its lane, counted up to `cap`; and how many jobs, of each up to `each`. */
int jobs_other_owners(struct tx *tx, const struct job *j, int cap, int each, int *n, int64_t *jobs,
		      struct err *e);
/* How many jobs of its owner in its lane are ahead of a waiting job, counted up to `cap`; not those that a limit key holds back. */
int jobs_position(struct tx *tx, const struct job *j, int cap, int *position, struct err *e);

#endif
