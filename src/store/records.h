/* What hangs on a job and what work needs: attempts, artifacts, events, lanes, workers, targets. From a
 * task's run() only. Arrays come in the arena. */
#ifndef SLIPWAY_STORE_RECORDS_H
#define SLIPWAY_STORE_RECORDS_H

#include "model/job.h"
#include "model/lane.h"

struct arena;
struct err;
struct tx;

int attempts_list(struct tx *tx, int64_t job, struct arena *a, struct attempt **out, size_t *n,
		  struct err *e);
/* n = 0: the newest. ERR_NOT_FOUND. */
int attempts_get(struct tx *tx, int64_t job, int n, struct arena *a, struct attempt *out, struct err *e);
/* ERR_STALE unless this attempt holds the lease and the worker's session is this one. The fence of log
 * appends and uploads. */
int attempts_check_lease(struct tx *tx, int64_t job, int attempt, int64_t worker, struct err *e);
/* The inline log of an attempt, if that is where it is: *bytes NULL otherwise. */
int attempts_log_inline(struct tx *tx, int64_t job, int attempt, struct arena *a, const void **bytes,
			size_t *len, struct err *e);

int artifacts_list(struct tx *tx, int64_t job, int attempt /* 0 = newest */, struct arena *a,
		   struct artifact **out, size_t *n, struct err *e);

struct event {
	int64_t id, job, at_ms;
	const char *actor;
	enum job_state from, to; /* from 0 = birth */
	enum job_reason reason;
	const char *detail;
};
int events_list(struct tx *tx, int64_t job, int limit, struct arena *a, struct event **out, size_t *n,
		struct err *e);

/* What is noted of all jobs, newest first: each event with a reason or a detail, so not that a job was born, began and
 * succeeded. Only what is behind this one in that order: its time, job and number (0: from the newest). */
int events_noted(struct tx *tx, const struct event *behind, int limit, struct arena *a, struct event **out,
		 size_t *n, struct err *e);

/* Privileged changes that are not a job's: a row in the transaction of the change. `actor` is as with events;
 * `subject` names what was changed: "worker:NAME", "token:7", "owner:NAME". */
struct audit {
	int64_t id, at_ms;
	const char *actor, *subject, *detail;
};
int audit_add(struct tx *tx, const char *actor, const char *subject, const char *detail, struct err *e);
/* Newest first: at most `limit` with a number below `before` (0 = from the newest), of one subject (NULL = any). */
int audit_list(struct tx *tx, const char *subject, int64_t before, int limit, struct arena *a,
	       struct audit **out, size_t *n, struct err *e);

/* What an administrator has set for an owner. */
enum { OWNER_NAME_MAX = 100 };
struct owner {
	const char *name;
	int weight;	  /* his part of the slots' time, by those of others with waiting work */
	int running_max;  /* at most so many of his jobs run at a time; 0 = no bound */
	const char *zone; /* of the jobs he submits from now on; "" = the default zone */
	int64_t running;  /* how many run */
};
/* Those for whom something was set. */
int owners_list(struct tx *tx, struct arena *a, struct owner **out, size_t *n, struct err *e);
/* What holds for him; the defaults if nothing was set. */
int owners_get(struct tx *tx, const char *name, struct arena *a, struct owner *out, struct err *e);
/* All but `running`; with its row of the audit. */
int owners_set(struct tx *tx, const struct owner *o, const char *actor, struct err *e);

int lanes_list(struct tx *tx, struct arena *a, struct lane **out, size_t *n, struct err *e);

/* A worker that registers: made or found by name; its session becomes this one. Attempts of an older
 * session are the caller's to reclaim (jobs_reclaim). */
int workers_register(struct tx *tx, const struct worker *w, int64_t *id, struct err *e);
/* ERR_STALE if the session is not the worker's newest. */
int workers_find_session(struct tx *tx, const char *name, const char *session, struct arena *a,
			 struct worker *out, struct err *e);
int workers_find(struct tx *tx, const char *name, struct arena *a, struct worker *out, bool *is_there,
		 struct err *e);
/* It lives, and has come to this server. */
int workers_beat(struct tx *tx, int64_t id, struct err *e);
/* What it says of its machine (server/feed_status.h). */
int workers_set_status(struct tx *tx, int64_t id, const char *status, struct err *e);
int workers_set_online(struct tx *tx, int64_t id, bool is_online, struct err *e);
/* It was not heard of any more by this server, in this session: it is offline, unless it has gone to another. */
int workers_fell_silent(struct tx *tx, const char *name, const char *session, struct err *e);
/* active also ends a quarantine and begins a new count of failures. */
int workers_set_state(struct tx *tx, const char *name, enum worker_state s, const char *actor, struct err *e);
/* It gets no work until somebody sets it active; nothing changes if it is in quarantine already. `reason` is for people. */
int workers_quarantine(struct tx *tx, int64_t id, const char *name, const char *reason, struct err *e);
/* Which jobs it takes: the zones that its credential gives it, and the tags it demands. */
int workers_set_reach(struct tx *tx, int64_t id, const char *zones, const char *demands, struct err *e);
int workers_list(struct tx *tx, struct arena *a, struct worker **out, size_t *n, struct err *e);

struct target {
	int64_t id;
	const char *name, *suite, *arch;
	char image[65]; /* "" = none yet */
	int64_t image_bytes;
	const char *state; /* "making" "ready" "failed" "removed" */
	int64_t updated_ms;
	int64_t job; /* the job that makes or made its image */
};
int targets_add(struct tx *tx, const char *name, const char *suite, const char *arch, int64_t job,
		struct err *e);
int targets_get(struct tx *tx, const char *name, struct arena *a, struct target *out, struct err *e);
int targets_list(struct tx *tx, struct arena *a, struct target **out, size_t *n, struct err *e);
/* A job begins to make an image for it / has ended doing so (image NULL: failed; the job
 * says of which target; an older image stays in use). */
int targets_making(struct tx *tx, const char *name, int64_t job, struct err *e);
int targets_made(struct tx *tx, const char *name, int64_t job, const char *image, int64_t bytes,
		 struct err *e);
/* ERR_CONFLICT while live jobs use it. */
int targets_remove(struct tx *tx, const char *name, struct err *e);

#endif
