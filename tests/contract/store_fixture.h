/* A store in a folder of its own, and short words for what the tests of it do: each runs one task and
 * gives its rc; the error is in fx->err. */
#ifndef SLIPWAY_TESTS_STORE_FIXTURE_H
#define SLIPWAY_TESTS_STORE_FIXTURE_H

#include "base/arena.h"
#include "base/err.h"
#include "store/jobs.h"
#include "store/records.h"
#include "store/store.h"

struct fx {
	char dir[64], files_dir[64]; /* files_dir "": dir */
	char *db_url;		     /* NULL: SQLite */
	struct store *store;
	struct arena arena;
	struct err err;
	struct worker worker; /* registered by fx_worker() */
	int64_t now_ms;	      /* of the last task */
	/* What the store's watch told. */
	struct store_change changes[4096];
	size_t changes_len;
};

/* A task that calls fn(tx, ctx, e). */
typedef int fx_fn(struct tx *tx, void *ctx, struct err *e);

void fx_init(struct fx *fx); /* makes the folder and opens */
void fx_open(struct fx *fx);
void fx_close(struct fx *fx);
void fx_release(struct fx *fx); /* closes, checks that nothing is violated, removes the folder */
int fx_write(struct fx *fx, fx_fn *fn, void *ctx);
int fx_read(struct fx *fx, fx_fn *fn, void *ctx);

/* A job with defaults: a command that nobody has named. */
struct job_new fx_new(void);
int fx_submit(struct fx *fx, const struct job_new *news, size_t n, struct job_birth *births);
/* One job with these needs; its number, or -1. */
int64_t fx_job(struct fx *fx, const int64_t *needs, size_t n);
struct job fx_get(struct fx *fx, int64_t id);
enum job_state fx_state(struct fx *fx, int64_t id);
void fx_worker(struct fx *fx, const char *name, const char *session);
/* Takes from all lanes. */
int fx_take(struct fx *fx, int limit, struct job **out, size_t *n);
int fx_finish(struct fx *fx, const struct job_end *end, enum job_state *state, bool *is_repeat);
/* Ends the newest attempt. */
int fx_end(struct fx *fx, int64_t id, enum attempt_outcome outcome, enum job_reason reason);
/* Takes until this job is running, and ends it so. Others that are taken are given back. */
int fx_run(struct fx *fx, int64_t id, enum attempt_outcome outcome);
typedef int fx_control_fn(struct tx *tx, int64_t id, const char *actor, struct err *e);
int fx_control(struct fx *fx, fx_control_fn *fn, int64_t id);
/* How many violations store_check() finds; each is printed. */
int fx_check(struct fx *fx);

#endif
