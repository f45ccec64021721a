/* A spec: the complete description of one attempt, all that a worker is told; and the outcome it reports.
 *
 * The server makes specs (src/kind), the worker runs them (src/run); neither knows more of the other. The JSON
 * is that of the feed and is written down in docs/API.md. Decoding is strict: unknown fields are ignored (a
 * server one version ahead may say more), wrong types and missing fields are errors.
 *
 * Where things are for a process of an attempt:
 *   its folder (cwd)   inputs lie here under their names; /job in a chroot
 *   SLIPWAY_OUT        a folder in it, "out": what is collected
 *   SLIPWAY_RESULT     a file in it, "result.json", that a step may write
 *   SLIPWAY_JOB, SLIPWAY_ATTEMPT, SLIPWAY_STEP
 *
 * Strings borrow from the caller's arena. Pure; any thread. */
#ifndef SLIPWAY_MODEL_SPEC_H
#define SLIPWAY_MODEL_SPEC_H

#include <stdbool.h>

#include "model/job.h"

struct arena;
struct buf;
struct err;
struct json_t;

enum spec_network {
	NETWORK_NONE = 0,   /* a loopback and nothing else */
	NETWORK_MIRROR = 1, /* package mirrors */
	NETWORK_FULL = 2,
};
enum spec_user {
	USER_BUILD = 0, /* an ordinary user without capabilities */
	USER_ROOT = 1,	/* root of the chroot; for native attempts no difference */
};
/* Where a chroot's writable layer lives. */
enum spec_scratch {
	SCRATCH_MEMORY = 0, /* small and gone with the attempt */
	SCRATCH_DISK = 1,
};

struct spec_step {
	const char *name;	 /* "" for a job of one step */
	const char *const *argv; /* NULL-terminated */
	enum spec_user user;
	enum spec_network network;
	int64_t timeout_ms; /* 0 = the attempt's */
	/* If it exits with anything but 0: the reason recorded. REASON_EXIT unless the kind knows better. */
	enum job_reason reason;
	bool is_always; /* runs even if an earlier step failed */
};

struct spec {
	int64_t job;
	int attempt;
	const char *name; /* of the job, for messages */
	enum isolation isolation;
	const char *target;   /* "" for native */
	char image[65];	      /* sha256 of the root image; "" for native */
	const char *hostname; /* inside a chroot */
	enum spec_scratch scratch;
	const struct job_input *inputs;
	size_t inputs_len;
	const struct env_var *env;
	size_t env_len;
	const struct spec_step *steps;
	size_t steps_len;
	const char *const *collect; /* globs under out/, NULL-terminated or NULL */
	bool is_collecting_failed;  /* collect also when a step failed */
	struct job_limits limits;
	int64_t timeout_ms; /* whole attempt; 0 = none */
	int64_t silence_ms; /* 0 = none */
	int64_t grace_ms;   /* between TERM and KILL */
};

/* So many beyond its slots a worker may ask for, to have them at hand. */
enum { LEASE_AHEAD_MAX = 64 };

void spec_encode(const struct spec *s, struct buf *out);
int spec_decode(const struct json_t *json, struct arena *a, struct spec *s, struct err *e);

enum {
	OUTCOME_RESULT_MAX = 64 * 1024, /* bytes of result.json */
	OUTCOME_LOG_INLINE_MAX = 4096,	/* a log up to here travels with its outcome */
	OUTCOME_DETAIL_MAX = 1000,
};

struct outcome {
	int64_t job;
	int attempt;
	enum attempt_outcome outcome; /* SUCCEEDED FAILED CANCELLED RELEASED */
	enum job_reason reason;
	const char *step;
	const char *detail;
	int exit_code; /* -1 = none */
	int signal;
	struct usage usage;
	int64_t log_bytes; /* size of the whole log */
	bool is_log_truncated;
	const void
		*log; /* the whole log if it fits OUTCOME_LOG_INLINE_MAX and was not sent before, else NULL */
	size_t log_len;
	const char *result; /* JSON text of result.json, or NULL */
	const struct artifact *artifacts;
	size_t artifacts_len;
};

void outcome_encode(const struct outcome *o, struct buf *out);
int outcome_decode(const struct json_t *json, struct arena *a, struct outcome *o, struct err *e);

const char *network_name(enum spec_network n);
int network_parse(const char *name); /* -1: no such name */

#endif
