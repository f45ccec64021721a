/* Failures that are not a job's own doing, as the store counts, judges and tells them, whatever database is below. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "model/blame.h"
#include "pg_fixture.h"
#include "store_fixture.h"

#define OK(call)                                              \
	do {                                                  \
		if ((call) < 0)                               \
			fail_msg(#call ": %s", fx->err.text); \
	} while (0)

enum { WORKERS = 3 };

struct farm {
	struct fx fx;
	struct worker workers[WORKERS];
};

static int set_up(void **state)
{
	static const char *const names[WORKERS] = { "ada", "bea", "cyd" };
	struct farm *f = calloc(1, sizeof *f);
	fx_init(&f->fx);
	for (int i = 0; i < WORKERS; i++) {
		fx_worker(&f->fx, names[i], "s1");
		f->workers[i] = f->fx.worker;
	}
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct farm *f = *state;
	fx_release(&f->fx);
	free(f);
	return 0;
}

struct finding {
	struct farm *f;
	int i;
};

static int do_find(struct tx *tx, void *ctx, struct err *e)
{
	struct finding *k = ctx;
	struct farm *f = k->f;
	return workers_find_session(tx, f->workers[k->i].name, f->workers[k->i].session, &f->fx.arena,
				    &f->workers[k->i], e);
}

/* As it stands in the database now. */
static const struct worker *look(struct farm *f, int i)
{
	struct fx *fx = &f->fx;
	OK(fx_read(fx, do_find, &(struct finding){ f, i }));
	return &f->workers[i];
}

static void take(struct farm *f, int i, int n)
{
	struct fx *fx = &f->fx;
	struct job *jobs;
	size_t got;
	fx->worker = *look(f, i);
	OK(fx_take(fx, n, &jobs, &got));
	assert_int_equal(got, n);
}

/* The only waiting job runs on this worker and ends so. */
static void run(struct farm *f, int i, int64_t id, enum attempt_outcome outcome)
{
	struct fx *fx = &f->fx;
	take(f, i, 1);
	assert_string_equal(fx_get(fx, id).worker, f->workers[i].name);
	OK(fx_end(fx, id, outcome, outcome == OUTCOME_LOST ? REASON_LOST : REASON_NONE));
}

struct auditing {
	struct fx *fx;
	const char *subject;
	struct audit *rows;
	size_t n;
};

static int do_audit(struct tx *tx, void *ctx, struct err *e)
{
	struct auditing *k = ctx;
	return audit_list(tx, k->subject, 0, 100, &k->fx->arena, &k->rows, &k->n, e);
}

static size_t count_audit(struct farm *f, const char *subject, const char *what)
{
	struct fx *fx = &f->fx;
	struct auditing k = { .fx = fx, .subject = subject };
	size_t n = 0;
	OK(fx_read(fx, do_audit, &k));
	for (size_t i = 0; i < k.n; i++)
		n += strstr(k.rows[i].detail, what) != NULL;
	return n;
}

struct setting {
	const char *name;
	enum worker_state state;
};

static int do_set_state(struct tx *tx, void *ctx, struct err *e)
{
	const struct setting *k = ctx;
	return workers_set_state(tx, k->name, k->state, "owner:ann", e);
}

/* c.4, builder > job: a worker that breaks every job. */
static void test_a_worker_that_breaks_every_job(void **state)
{
	struct farm *f = *state;
	struct fx *fx = &f->fx;
	int64_t ids[BLAME_MAX];
	for (int i = 0; i < BLAME_MAX; i++) {
		assert_string_equal(look(f, 0)->quarantine, "");
		ids[i] = fx_job(fx, NULL, 0);
		run(f, 0, ids[i], OUTCOME_LOST);
		assert_int_equal(look(f, 0)->failures, i + 1);
		/* Each of them is done well by another. */
		run(f, 1, ids[i], OUTCOME_SUCCEEDED);
	}
	const struct worker *w = look(f, 0);
	assert_true(w->quarantined_ms > 0);
	/* The reason is for people: how often, which jobs. */
	assert_non_null(strstr(w->quarantine, "5 failures"));
	for (int i = 0; i < BLAME_MAX; i++) {
		char name[40];
		snprintf(name, sizeof name, "job %lld (", (long long)ids[i]);
		assert_non_null(strstr(w->quarantine, name));
	}
	const struct lane l = { .kind = KIND_COMMAND, .arch = "", .tags = "" };
	assert_int_equal(lane_match(&l, w), LANE_QUARANTINED);
	assert_int_equal(count_audit(f, "worker:ada", "quarantine: 5 failures"), 1);
	assert_string_equal(look(f, 1)->quarantine, "");
}

/* c.4, job > builder: a job that breaks every worker. */
static void test_a_job_that_breaks_every_worker(void **state)
{
	struct farm *f = *state;
	struct fx *fx = &f->fx;
	int64_t id = fx_job(fx, NULL, 0);
	for (int i = 0; i < BLAME_MAX; i++)
		run(f, i % WORKERS, id, OUTCOME_LOST);
	struct job j = fx_get(fx, id);
	assert_int_equal(j.state, STATE_FAILED);
	assert_int_equal(j.reason, REASON_LOST);
	assert_int_equal(j.attempt, BLAME_MAX);
	for (int i = 0; i < WORKERS; i++) {
		assert_int_equal(look(f, i)->failures, 0);
		assert_string_equal(look(f, i)->quarantine, "");
	}
}

/* c.4, equal counts: nobody is blamed; at the bound the job is tried elsewhere. */
static void test_equal_counts_and_then_the_job_fails_elsewhere(void **state)
{
	struct farm *f = *state;
	struct fx *fx = &f->fx;
	int64_t id = fx_job(fx, NULL, 0);
	for (int i = 1; i < BLAME_MAX; i++) {
		run(f, 0, id, OUTCOME_LOST);
		assert_int_equal(fx_state(fx, id), STATE_WAITING);
		assert_string_equal(look(f, 0)->quarantine, "");
	}
	run(f, 0, id, OUTCOME_LOST);
	assert_int_equal(fx_state(fx, id), STATE_WAITING);
	assert_non_null(strstr(look(f, 0)->quarantine, "tried elsewhere"));
	run(f, 1, id, OUTCOME_LOST);
	assert_int_equal(fx_state(fx, id), STATE_FAILED);
	/* It was the job: the first worker is back, by itself. */
	assert_string_equal(look(f, 0)->quarantine, "");
	assert_int_equal(look(f, 0)->failures, 0);
	assert_int_equal(look(f, 1)->failures, 0);
	assert_int_equal(count_audit(f, "worker:ada", "was to blame"), 1);
}

static void test_equal_counts_and_then_the_job_succeeds_elsewhere(void **state)
{
	struct farm *f = *state;
	struct fx *fx = &f->fx;
	int64_t id = fx_job(fx, NULL, 0);
	for (int i = 0; i < BLAME_MAX; i++)
		run(f, 0, id, OUTCOME_LOST);
	run(f, 1, id, OUTCOME_SUCCEEDED);
	assert_int_equal(fx_state(fx, id), STATE_SUCCEEDED);
	assert_true(look(f, 0)->quarantine[0]);
}

/* Nobody else to ask: one job is spoiled, not all. */
static void test_a_broken_worker_that_is_alone(void **state)
{
	struct farm *f = *state;
	struct fx *fx = &f->fx;
	for (int i = 1; i < WORKERS; i++)
		OK(fx_write(fx, do_set_state, &(struct setting){ f->workers[i].name, WORKER_DISABLED }));
	int64_t first = fx_job(fx, NULL, 0);
	for (int i = 0; i < BLAME_MAX; i++)
		run(f, 0, first, OUTCOME_LOST);
	assert_int_equal(fx_state(fx, first), STATE_FAILED);
	assert_string_equal(look(f, 0)->quarantine, "");
	int64_t second = fx_job(fx, NULL, 0);
	run(f, 0, second, OUTCOME_LOST);
	assert_int_equal(fx_state(fx, second), STATE_WAITING);
	assert_true(look(f, 0)->quarantine[0]);
}

static void test_success_clears_the_worker_and_not_the_job(void **state)
{
	struct farm *f = *state;
	struct fx *fx = &f->fx;
	int64_t id = fx_job(fx, NULL, 0);
	run(f, 0, id, OUTCOME_LOST);
	run(f, 0, id, OUTCOME_LOST);
	assert_int_equal(look(f, 0)->failures, 2);
	run(f, 0, id, OUTCOME_SUCCEEDED);
	assert_int_equal(look(f, 0)->failures, 0);
	assert_int_equal(fx_get(fx, id).losses, 2);
}

static int do_reclaim(struct tx *tx, void *ctx, struct err *e)
{
	struct fx *fx = ctx;
	int n;
	return jobs_reclaim(tx, fx->worker.id, NULL, OUTCOME_LOST, "gone", NULL, &n, e);
}

static int do_expire(struct tx *tx, void *ctx, struct err *e)
{
	int64_t next_ms;
	return jobs_expire(tx, *(int *)ctx, -1000000, NULL, &next_ms, e);
}

/* c.3, the filter: one dead worker with eight jobs has failed once, each of them once. */
static void test_a_death_with_eight_jobs_is_one_failure(void **state)
{
	struct farm *f = *state;
	struct fx *fx = &f->fx;
	int64_t ids[8];
	for (int i = 0; i < 8; i++)
		ids[i] = fx_job(fx, NULL, 0);
	take(f, 0, 8);
	/* Not all at the same moment: those that were given later expire later. */
	for (int n = 0; n < 8; n++)
		OK(fx_write(fx, do_expire, &(int){ 1 }));
	assert_int_equal(look(f, 0)->failures, 1);
	for (int i = 0; i < 8; i++)
		assert_int_equal(fx_get(fx, ids[i]).losses, 1);
	/* Its next session, and the next death. */
	fx_worker(fx, "ada", "s2");
	f->workers[0] = fx->worker;
	take(f, 0, 8);
	OK(fx_write(fx, do_reclaim, fx));
	assert_int_equal(look(f, 0)->failures, 2);
}

/* A person's word: draining takes none, active ends a quarantine; each is in the audit. */
static void test_states_are_audited_and_active_ends_quarantine(void **state)
{
	struct farm *f = *state;
	struct fx *fx = &f->fx;
	for (int i = 0; i < BLAME_MAX; i++) {
		int64_t id = fx_job(fx, NULL, 0);
		run(f, 0, id, OUTCOME_LOST);
		OK(fx_control(fx, jobs_cancel, id));
	}
	OK(fx_write(fx, do_set_state, &(struct setting){ "ada", WORKER_DRAINING }));
	/* That is the person's state; the quarantine is not touched by it. */
	assert_true(look(f, 0)->quarantine[0]);
	OK(fx_write(fx, do_set_state, &(struct setting){ "ada", WORKER_ACTIVE }));
	assert_string_equal(look(f, 0)->quarantine, "");
	assert_int_equal(look(f, 0)->failures, 0);
	assert_int_equal(count_audit(f, "worker:ada", "draining, was active"), 1);
	assert_int_equal(count_audit(f, "worker:ada", "active, was draining in quarantine"), 1);
	assert_int_equal(fx_write(fx, do_set_state, &(struct setting){ "nobody", WORKER_ACTIVE }), -1);
	assert_int_equal(fx->err.code, ERR_NOT_FOUND);
}

/* c.4, CANCELLING: whatever goes wrong with a job that was cancelled, it is cancelled; the worker's part counts. */
static void test_a_cancelled_job_that_is_lost_is_cancelled(void **state)
{
	struct farm *f = *state;
	struct fx *fx = &f->fx;
	int64_t id = fx_job(fx, NULL, 0);
	for (int i = 1; i < BLAME_MAX; i++)
		run(f, i % WORKERS, id, OUTCOME_LOST);
	take(f, 0, 1);
	OK(fx_control(fx, jobs_cancel, id));
	OK(fx_end(fx, id, OUTCOME_LOST, REASON_LOST));
	assert_int_equal(fx_state(fx, id), STATE_CANCELLED);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	if (pg_skip_all())
		return 0;
	const struct CMUnitTest tests[] = {
		TEST(test_a_worker_that_breaks_every_job),
		TEST(test_a_job_that_breaks_every_worker),
		TEST(test_equal_counts_and_then_the_job_fails_elsewhere),
		TEST(test_equal_counts_and_then_the_job_succeeds_elsewhere),
		TEST(test_a_broken_worker_that_is_alone),
		TEST(test_success_clears_the_worker_and_not_the_job),
		TEST(test_a_death_with_eight_jobs_is_one_failure),
		TEST(test_states_are_audited_and_active_ends_quarantine),
		TEST(test_a_cancelled_job_that_is_lost_is_cancelled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
