/* What a job is: its row, its attempts, its artifacts, and the body that asks for one.
 *
 * Plain structs. The strings in them belong to the arena of whoever filled them; a struct borrows and is copied
 * freely. Times are wall milliseconds of the server's clock, 0 = not yet; intervals are milliseconds, 0 = none;
 * sizes are bytes, 0 = the default. Pure; any thread.
 * Read next: model/state.h for the states, model/spec.h for what a worker gets, model/submit.h for JSON. */
#ifndef SLIPWAY_MODEL_JOB_H
#define SLIPWAY_MODEL_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/state.h"

/* Stored: never reuse or change a number. What a kind does is one entry in src/kind/. */
enum job_kind {
	KIND_COMMAND = 1,
	KIND_BUILD = 2,
	KIND_RECIPE = 3,
	KIND_IMPORT = 4,
	KIND_TARGET = 5,
};
enum { KIND_LAST = KIND_TARGET };

enum isolation {
	ISOLATION_NONE = 0,
	ISOLATION_CHROOT = 1,
	ISOLATION_VM = 2,
};
enum { ISOLATION_LAST = ISOLATION_VM };

const char *kind_name(enum job_kind k);	      /* NULL: no such kind */
enum job_kind kind_parse(const char *name);   /* 0: no such name */
const char *isolation_name(enum isolation i); /* NULL: no such isolation */
int isolation_parse(const char *name);	      /* -1: no such name */
/* This machine's Debian architecture ("amd64"), from what the program was compiled for. */
const char *arch_native(void);

enum {
	JOB_PRIORITY_MIN = -1000,
	JOB_PRIORITY_MAX = 1000,
	JOB_ATTEMPTS_MAX = 1000,
	JOB_NAME_MAX = 200,	/* bytes */
	JOB_BODY_MAX = 1 << 20, /* bytes of one body */
	JOB_NEEDS_MAX = 10000,
	JOB_BATCH_MAX = 1000000, /* bodies in one call */
	JOB_KEY_MAX = 1000,	 /* jobs of a limit key that may run at a time */
};

struct job_limits {
	int64_t memory_bytes;
	int64_t pids;
	int64_t log_bytes;
	int64_t disk_bytes;
	int64_t inodes;		/* files and folders that it makes in its chroot */
	int64_t cpu_ms;		/* of all its processes together */
	int64_t files;		/* open files of a process */
	int64_t artifacts;	/* number of collected files */
	int64_t artifact_bytes; /* all collected files together */
	int64_t artifact_depth; /* folders within each other */
	int64_t log_rate_bytes; /* a second */
};

/* Of the jobs of one owner with the same key at most n run at a time. */
struct limit_key {
	const char *name; /* NULL = none */
	int n;
};

/* The row of the job table. A detail table never holds a state or a date of its own. */
struct job {
	int64_t id;
	enum job_kind kind;
	const char *name;
	enum job_state state;
	enum job_reason reason;
	int priority;
	int64_t lane;
	enum isolation isolation; /* the lane's, shown with the job */
	const char *arch;	  /* the lane's; "" = any */
	const char *tags;	  /* the lane's: sorted, joined by ","; "" = none */
	const char *zone;	  /* the lane's; "" = the default one */
	const char *owner;
	const char *target; /* name of the target; "" = none */
	int64_t chain;	    /* number of the chain's first job; its own when it stands alone */
	int64_t created_ms, run_at_ms, started_ms, finished_ms;
	int attempt;	  /* number of the newest attempt, the fence; 0 = none yet */
	int max_attempts; /* this many failures of its own end it */
	int failures;	  /* failures of its own so far */
	int losses;	  /* attempts that were lost with their worker */
	int64_t retry_delay_ms;
	int64_t lease_until_ms;
	const char *worker; /* name of the newest attempt's worker; "" = none */
	bool is_cancel_asked;
	int64_t timeout_ms, silence_ms;
	int needs_left;
	const char *dedupe; /* "" = none */
	struct limit_key limit_key;
	int exit_code; /* -1 = none */
	int signal;    /* 0 = none */
	const char *progress;
	int artifacts;	     /* files of its newest attempt */
	const char *payload; /* JSON: argv env inputs collect limits detail; NULL unless asked for */
};

enum attempt_outcome {
	OUTCOME_RUNNING = 0, /* none yet */
	OUTCOME_SUCCEEDED = 1,
	OUTCOME_FAILED = 2,
	OUTCOME_CANCELLED = 3,
	OUTCOME_RELEASED = 4, /* given back by the worker or the server: counts for nobody */
	OUTCOME_LOST = 5,     /* the worker vanished */
	OUTCOME_DEPWAIT = 6,
};
const char *outcome_name(enum attempt_outcome o);
int outcome_parse(const char *name); /* -1: no such name */

/* What one execution cost and how it ended. */
struct usage {
	int64_t wall_ms, cpu_user_us, cpu_sys_us, memory_peak_bytes;
};

struct attempt {
	int64_t job;
	int n;
	const char *worker;
	int64_t started_ms, finished_ms;
	enum attempt_outcome outcome;
	enum job_reason reason;
	const char *step;   /* where it ended: "" for a job of one step */
	const char *detail; /* one line for a person */
	int exit_code, signal;
	struct usage usage;
	int64_t log_bytes; /* size of its log so far */
	bool is_log_truncated;
};

struct artifact {
	int64_t job;
	int attempt;
	const char *name;
	char sha256[65];
	int64_t size_bytes;
};

struct job_input {
	const char *name; /* relative path in the work folder */
	char sha256[65];
	int64_t size_bytes;
	int mode; /* 0644 or 0755 */
};

struct env_var {
	const char *name, *value;
};

/* What a submission asks for, checked and with defaults filled in. */
struct job_new {
	enum job_kind kind;
	const char *name;
	const char *owner;
	int priority;
	int64_t run_at_ms; /* 0 = at once */
	int64_t timeout_ms, silence_ms;
	int max_attempts;
	int64_t retry_delay_ms;
	enum isolation isolation;
	const char *arch; /* "" = any */
	const char *tags; /* sorted, joined by "," */
	const char *target;
	const char *dedupe;
	struct limit_key limit_key;
	bool is_suspended; /* born suspended */
	int64_t chain;	   /* 0 = its own, or that of what it needs */
	/* Needs: numbers of jobs, or, negative, -n for the n-th job of the same batch (from 1). */
	const int64_t *needs;
	size_t needs_len;
	const char *payload; /* canonical JSON */
	/* Detail of a build; type NULL for other kinds. */
	struct {
		const char *type, *source, *version;
	} build;
	const char *recipe_text; /* detail of a recipe, else NULL */
};

#endif
