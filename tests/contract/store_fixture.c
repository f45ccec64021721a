#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pg_fixture.h"
#include "store_fixture.h"

#include "base/fd.h"
#include "store/check.h"

struct call {
	struct store_task task;
	struct fx *fx;
	fx_fn *fn;
	void *ctx;
};

static int call_run(struct tx *tx, struct store_task *t, struct err *e)
{
	struct call *c = (struct call *)t;
	c->fx->now_ms = tx_now_ms(tx);
	return c->fn(tx, c->ctx, e);
}

static void watch(void *ctx, const struct store_change *changes, size_t n)
{
	struct fx *fx = ctx;
	for (size_t i = 0; i < n && fx->changes_len < 4096; i++)
		fx->changes[fx->changes_len++] = changes[i];
}

void fx_open(struct fx *fx)
{
	struct err e = ERR_INIT;
	if (store_open(&fx->store,
		       &(struct store_options){ .data_dir = fx->dir,
						.files_dir = *fx->files_dir ? fx->files_dir : NULL,
						.db_url = fx->db_url,
						.is_create = true,
						.is_serving = true,
						.watch = watch,
						.ctx = fx },
		       &e) < 0)
		fail_msg("open: %s", e.text);
}

void fx_init(struct fx *fx)
{
	*fx = (struct fx){ .arena = ARENA_INIT };
	const char *base = getenv("TMPDIR");
	snprintf(fx->dir, sizeof fx->dir, "%s/slipway-store-XXXXXX",
		 base && strlen(base) < 32 ? base : "/tmp");
	assert_non_null(mkdtemp(fx->dir));
	if (pg_is_wanted())
		fx->db_url = pg_new_database();
	fx_open(fx);
}

void fx_close(struct fx *fx)
{
	store_close(fx->store);
	fx->store = NULL;
}

void fx_release(struct fx *fx)
{
	int violations = fx->store ? fx_check(fx) : 0;
	fx_close(fx);
	arena_release(&fx->arena);
	fd_remove_tree(AT_FDCWD, fx->dir, NULL);
	pg_drop_database(fx->db_url);
	free(fx->db_url);
	assert_int_equal(violations, 0);
}

int fx_write(struct fx *fx, fx_fn *fn, void *ctx)
{
	struct call c = { { .run = call_run }, fx, fn, ctx };
	int rc = store_write_wait(fx->store, &c.task);
	fx->err = c.task.err;
	return rc;
}

int fx_read(struct fx *fx, fx_fn *fn, void *ctx)
{
	struct call c = { { .run = call_run }, fx, fn, ctx };
	int rc = store_read_wait(fx->store, &c.task);
	fx->err = c.task.err;
	return rc;
}

struct job_new fx_new(void)
{
	return (struct job_new){ .kind = KIND_COMMAND,
				 .name = "",
				 .owner = "ann",
				 .max_attempts = 1,
				 .arch = "",
				 .tags = "",
				 .target = "",
				 .dedupe = "",
				 .payload = "{\"argv\":[\"true\"]}" };
}

struct submission {
	const struct job_new *news;
	size_t n;
	struct job_birth *births;
};

static int do_submit(struct tx *tx, void *ctx, struct err *e)
{
	struct submission *s = ctx;
	return jobs_submit(tx, s->news, s->n, "owner:ann", s->births, e);
}

int fx_submit(struct fx *fx, const struct job_new *news, size_t n, struct job_birth *births)
{
	return fx_write(fx, do_submit, &(struct submission){ news, n, births });
}

int64_t fx_job(struct fx *fx, const int64_t *needs, size_t n)
{
	struct job_new one = fx_new();
	struct job_birth birth;
	one.needs = needs;
	one.needs_len = n;
	return fx_submit(fx, &one, 1, &birth) < 0 ? -1 : birth.id;
}

struct getting {
	struct fx *fx;
	int64_t id;
	struct job job;
};

static int do_get(struct tx *tx, void *ctx, struct err *e)
{
	struct getting *g = ctx;
	return jobs_get(tx, g->id, true, &g->fx->arena, &g->job, e);
}

struct job fx_get(struct fx *fx, int64_t id)
{
	struct getting g = { .fx = fx, .id = id };
	if (fx_read(fx, do_get, &g) < 0)
		fail_msg("job %lld: %s", (long long)id, fx->err.text);
	return g.job;
}

enum job_state fx_state(struct fx *fx, int64_t id)
{
	return fx_get(fx, id).state;
}

static int do_register(struct tx *tx, void *ctx, struct err *e)
{
	struct fx *fx = ctx;
	int64_t id;
	if (workers_register(tx, &fx->worker, &id, e) < 0)
		return -1;
	return workers_find_session(tx, fx->worker.name, fx->worker.session, &fx->arena, &fx->worker, e);
}

void fx_worker(struct fx *fx, const char *name, const char *session)
{
	fx->worker = (struct worker){ .name = name,
				      .machine = "here",
				      .boot_id = "1",
				      .session = session,
				      .version = "1",
				      .arch = "amd64",
				      .isolations = 7,
				      .tags = "",
				      .slots = 4 };
	if (fx_write(fx, do_register, fx) < 0)
		fail_msg("register: %s", fx->err.text);
}

struct taking {
	struct fx *fx;
	int limit;
	struct job *jobs;
	size_t n;
};

static int do_take(struct tx *tx, void *ctx, struct err *e)
{
	struct taking *t = ctx;
	struct lane *lanes;
	int64_t ids[64];
	size_t n;
	if (lanes_list(tx, &t->fx->arena, &lanes, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		ids[i] = lanes[i].id;
	return jobs_take(tx, ids, n, t->limit, &t->fx->worker, tx_now_ms(tx) + 60000, &t->fx->arena, &t->jobs,
			 &t->n, e);
}

int fx_take(struct fx *fx, int limit, struct job **out, size_t *n)
{
	struct taking t = { .fx = fx, .limit = limit };
	int rc = fx_write(fx, do_take, &t);
	*out = t.jobs;
	*n = t.n;
	return rc;
}

struct finishing {
	const struct job_end *end;
	enum job_state *state;
	bool *is_repeat;
};

static int do_finish(struct tx *tx, void *ctx, struct err *e)
{
	struct finishing *f = ctx;
	return jobs_finish(tx, f->end, "worker:w", f->state, f->is_repeat, e);
}

int fx_finish(struct fx *fx, const struct job_end *end, enum job_state *state, bool *is_repeat)
{
	return fx_write(fx, do_finish, &(struct finishing){ end, state, is_repeat });
}

int fx_end(struct fx *fx, int64_t id, enum attempt_outcome outcome, enum job_reason reason)
{
	enum job_state state;
	bool is_repeat;
	struct job_end end = { .job = id,
			       .attempt = fx_get(fx, id).attempt,
			       .outcome = outcome,
			       .reason = reason,
			       .step = "",
			       .detail = "",
			       .exit_code = outcome == OUTCOME_FAILED ? 1 : 0 };
	return fx_finish(fx, &end, &state, &is_repeat);
}

int fx_run(struct fx *fx, int64_t id, enum attempt_outcome outcome)
{
	struct job *jobs;
	size_t n;
	bool is_found = false;
	if (fx_take(fx, 1000, &jobs, &n) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		is_found |= jobs[i].id == id;
		if (jobs[i].id != id && fx_end(fx, jobs[i].id, OUTCOME_RELEASED, REASON_NONE) < 0)
			return -1;
	}
	if (!is_found)
		return err_set(&fx->err, ERR_NOT_FOUND, "job %lld was not to be had", (long long)id);
	return fx_end(fx, id, outcome, outcome == OUTCOME_FAILED ? REASON_EXIT : REASON_NONE);
}

struct controlling {
	fx_control_fn *fn;
	int64_t id;
};

static int do_control(struct tx *tx, void *ctx, struct err *e)
{
	struct controlling *c = ctx;
	return c->fn(tx, c->id, "owner:ann", e);
}

int fx_control(struct fx *fx, fx_control_fn *fn, int64_t id)
{
	return fx_write(fx, do_control, &(struct controlling){ fn, id });
}

static void print_violation(void *ctx, const char *text)
{
	printf("# violation: %s\n", text);
}

static int do_check(struct tx *tx, void *ctx, struct err *e)
{
	return store_check(tx, print_violation, NULL, ctx, e);
}

int fx_check(struct fx *fx)
{
	int violations = -1;
	if (fx_read(fx, do_check, &violations) < 0)
		printf("# check: %s\n", fx->err.text);
	return violations;
}
