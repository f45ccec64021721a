/* How long runs take, in the store; whatever database is below. That nothing else is violated the fixture checks at the end of
 * each test. */
#include "test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pg_fixture.h"
#include "store/durations.h"
#include "store_fixture.h"

#define OK(call)                                              \
	do {                                                  \
		if ((call) < 0)                               \
			fail_msg(#call ": %s", fx->err.text); \
	} while (0)

static int set_up(void **state)
{
	struct fx *fx = calloc(1, sizeof *fx);
	fx_init(fx);
	fx_worker(fx, "w", "s1");
	*state = fx;
	return 0;
}

static int tear_down(void **state)
{
	fx_release(*state);
	free(*state);
	return 0;
}

static int64_t submit(struct fx *fx, const char *name, const char *owner)
{
	struct job_new j = fx_new();
	struct job_birth birth;
	j.name = name;
	j.owner = owner;
	OK(fx_submit(fx, &j, 1, &birth));
	return birth.id;
}

static struct job_end end_of(const struct job *j, enum attempt_outcome outcome, int64_t wall_ms)
{
	return (struct job_end){ .job = j->id,
				 .attempt = j->attempt,
				 .outcome = outcome,
				 .reason = outcome == OUTCOME_FAILED ? REASON_EXIT : REASON_NONE,
				 .step = "",
				 .detail = "",
				 .usage.wall_ms = wall_ms };
}

/* All that waits runs and ends so, after so long. */
static void run_all(struct fx *fx, enum attempt_outcome outcome, int64_t wall_ms)
{
	struct job *jobs;
	enum job_state state;
	bool is_repeat;
	size_t n;
	OK(fx_take(fx, 100, &jobs, &n));
	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		struct job_end end = end_of(&jobs[i], outcome, wall_ms);
		OK(fx_finish(fx, &end, &state, &is_repeat));
	}
}

static void run(struct fx *fx, const char *name, int64_t wall_ms)
{
	submit(fx, name, "ann");
	run_all(fx, OUTCOME_SUCCEEDED, wall_ms);
}

struct asking {
	struct fx *fx;
	int64_t job;
	struct duration_known known;
	struct forecast runs, starts;
	struct duration ahead[8];
	size_t ahead_len;
	struct estimate_run running[8];
	size_t running_len;
	int64_t worker;
	struct span told;
};

static int do_ask(struct tx *tx, void *ctx, struct err *e)
{
	struct asking *a = ctx;
	struct durations *d = durations_new(tx, &a->fx->arena);
	struct job j;
	assert_non_null(d);
	if (jobs_get(tx, a->job, false, &a->fx->arena, &j, e) < 0 ||
	    durations_find(d, &j, &a->known, e) < 0 ||
	    durations_ahead(d, &j, a->ahead, 8, &a->ahead_len, e) < 0 ||
	    durations_running(d, a->worker, a->running, 8, &a->running_len, e) < 0 ||
	    forecasts_get(tx, FORECAST_START, &a->starts, e) < 0)
		return -1;
	return forecasts_get(tx, FORECAST_RUN, &a->runs, e);
}

static struct asking ask(struct fx *fx, int64_t job)
{
	struct asking a = { .fx = fx, .job = job, .worker = fx->worker.id };
	OK(fx_read(fx, do_ask, &a));
	return a;
}

static void check_like(const struct duration *d, int64_t n, int64_t ms)
{
	struct span s = duration_span(d, 0);
	assert_int_equal(d->n, n);
	if (s.likely_ms < ms * 97 / 100 || s.likely_ms > ms * 103 / 100)
		fail_msg("%lld is not about %lld", (long long)s.likely_ms, (long long)ms);
}

/* --- */

static void test_runs_are_known_by_name(void **state)
{
	struct fx *fx = *state;
	int64_t first = submit(fx, "slow", "ann");
	assert_int_equal(ask(fx, first).known.took.n, 0);
	run_all(fx, OUTCOME_SUCCEEDED, 60000);
	run(fx, "slow", 60000);
	run(fx, "quick", 2000);
	int64_t slow = submit(fx, "slow", "ann"), quick = submit(fx, "quick", "ann"),
		other = submit(fx, "other", "ann"), bobs = submit(fx, "slow", "bob");
	struct asking a = ask(fx, slow);
	check_like(&a.known.took, 2, 60000);
	assert_false(a.known.is_lane);
	assert_string_equal(a.known.name, "slow");
	a = ask(fx, quick);
	check_like(&a.known.took, 1, 2000);
	/* What is not known is like its lane; and what is another's may be another thing. */
	a = ask(fx, other);
	assert_true(a.known.is_lane);
	assert_int_equal(a.known.took.n, 3);
	assert_true(ask(fx, bobs).known.is_lane);
	/* All of it after a restart. */
	fx_close(fx);
	fx_open(fx);
	a = ask(fx, slow);
	check_like(&a.known.took, 2, 60000);
}

static void test_only_success_counts(void **state)
{
	struct fx *fx = *state;
	submit(fx, "x", "ann");
	run_all(fx, OUTCOME_FAILED, 60000);
	submit(fx, "x", "ann");
	run_all(fx, OUTCOME_RELEASED, 60000);
	run_all(fx, OUTCOME_CANCELLED, 60000);
	int64_t id = submit(fx, "x", "ann");
	struct asking a = ask(fx, id);
	assert_int_equal(a.known.took.n, 0);
	assert_int_equal(a.runs.n, 0);
}

struct batch {
	struct job *jobs;
	size_t len;
	bool is_failing;
};

static int do_batch(struct tx *tx, void *ctx, struct err *e)
{
	struct batch *b = ctx;
	enum job_state state;
	bool is_repeat;
	for (size_t i = 0; i < b->len; i++) {
		struct job_end end = end_of(&b->jobs[i], OUTCOME_SUCCEEDED, 1000 * (1 + (int64_t)i % 3));
		if (jobs_finish(tx, &end, "worker:w", &state, &is_repeat, e) < 0)
			return -1;
	}
	return b->is_failing ? err_set(e, ERR_INVALID, "on purpose") : 0;
}

static void test_a_batch_is_all_or_nothing(void **state)
{
	struct fx *fx = *state;
	for (int i = 0; i < 9; i++)
		submit(fx, i < 6 ? "a" : "b", "ann");
	struct batch b = { 0 };
	OK(fx_take(fx, 100, &b.jobs, &b.len));
	assert_int_equal(b.len, 9);
	b.is_failing = true;
	assert_int_equal(fx_write(fx, do_batch, &b), -1);
	int64_t id = submit(fx, "a", "ann");
	assert_int_equal(ask(fx, id).known.took.n, 0);
	b.is_failing = false;
	OK(fx_write(fx, do_batch, &b));
	struct asking a = ask(fx, id);
	assert_int_equal(a.known.took.n, 6);
	assert_true(a.known.took.mean_ms == 2000);
}

/* A task that holds the writer until both others are queued, so that they are in one transaction. */
struct gate {
	struct store_task task;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool is_open;
	int to_come;
};

static int gate_run(struct tx *tx, struct store_task *t, struct err *e)
{
	struct gate *g = (struct gate *)t;
	pthread_mutex_lock(&g->lock);
	while (!g->is_open)
		pthread_cond_wait(&g->wake, &g->lock);
	pthread_mutex_unlock(&g->lock);
	return 0;
}

static void gate_came(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->to_come--;
	pthread_cond_broadcast(&g->wake);
	pthread_mutex_unlock(&g->lock);
}

static void gate_done(struct store_task *t)
{
	gate_came((struct gate *)t);
}

struct member {
	struct store_task task;
	struct gate *gate;
	struct batch batch;
};

static int member_run(struct tx *tx, struct store_task *t, struct err *e)
{
	return do_batch(tx, &((struct member *)t)->batch, e);
}

static void member_done(struct store_task *t)
{
	gate_came(((struct member *)t)->gate);
}

static void test_a_neighbour_that_fails_leaves_nothing(void **state)
{
	struct fx *fx = *state;
	struct gate g = { .task = { .run = gate_run, .done = gate_done },
			  .lock = PTHREAD_MUTEX_INITIALIZER,
			  .wake = PTHREAD_COND_INITIALIZER,
			  .to_come = 3 };
	struct member m[2];
	struct job *jobs;
	size_t n;
	submit(fx, "a", "ann");
	submit(fx, "b", "ann");
	OK(fx_take(fx, 2, &jobs, &n));
	assert_int_equal(n, 2);
	store_write(fx->store, &g.task);
	for (int i = 0; i < 2; i++) {
		m[i] = (struct member){ .task = { .run = member_run, .done = member_done },
					.gate = &g,
					.batch = { &jobs[i], 1, i == 1 } };
		store_write(fx->store, &m[i].task);
	}
	pthread_mutex_lock(&g.lock);
	g.is_open = true;
	pthread_cond_broadcast(&g.wake);
	while (g.to_come)
		pthread_cond_wait(&g.wake, &g.lock);
	pthread_mutex_unlock(&g.lock);
	assert_int_equal(m[0].task.rc, 0);
	assert_int_equal(m[1].task.rc, -1);
	int64_t a = submit(fx, "a", "ann"), b = submit(fx, "b", "ann");
	assert_int_equal(ask(fx, a).known.took.n, 1);
	assert_true(ask(fx, b).known.is_lane);
	assert_int_equal(ask(fx, b).known.took.n, 1);
}

static void test_what_is_ahead_and_what_runs(void **state)
{
	struct fx *fx = *state;
	run(fx, "a", 5000);
	run(fx, "b", 9000);
	submit(fx, "a", "ann");
	struct job *jobs;
	size_t n;
	OK(fx_take(fx, 1, &jobs, &n));
	struct job_new urgent = fx_new();
	struct job_birth birth;
	submit(fx, "a", "ann");
	submit(fx, "b", "bob");
	int64_t id = submit(fx, "a", "ann");
	submit(fx, "a", "ann");
	urgent.name = "b";
	urgent.priority = 5;
	OK(fx_submit(fx, &urgent, 1, &birth));
	struct asking a = ask(fx, id);
	assert_int_equal(a.running_len, 1);
	check_like(&a.running[0].took, 1, 5000);
	assert_true(a.running[0].elapsed_ms >= 0 && a.running[0].elapsed_ms < 60000);
	assert_int_equal(a.ahead_len, 2);
	check_like(&a.ahead[0], 1, 9000);
	check_like(&a.ahead[1], 1, 5000);
}

/* Each run against what was known before it. */
static void test_how_good_estimates_of_runs_were(void **state)
{
	struct fx *fx = *state;
	run(fx, "a", 10000);
	int64_t id = submit(fx, "z", "ann");
	assert_int_equal(ask(fx, id).runs.n, 0);
	run_all(fx, OUTCOME_SUCCEEDED, 10000);
	run(fx, "a", 11000);
	struct asking a = ask(fx, id);
	/* "z" by its lane, "a" by its name. */
	assert_int_equal(a.runs.n, 2);
	assert_true(a.runs.within == 1);
	run(fx, "a", 100000);
	run(fx, "a", 20);
	a = ask(fx, id);
	assert_int_equal(a.runs.n, 4);
	assert_true(a.runs.within > .49 && a.runs.within < .51);
	assert_true(a.runs.log_off > .5);
	/* What takes no time is not judged. */
	for (int i = 0; i < 3; i++)
		run(fx, "none", 2);
	assert_true(ask(fx, id).runs.n <= 5);
	fx_close(fx);
	fx_open(fx);
	assert_true(ask(fx, id).runs.n >= 4);
}

static int do_tell(struct tx *tx, void *ctx, struct err *e)
{
	const struct asking *a = ctx;
	int64_t now_ms = tx_now_ms(tx);
	const struct span at = { now_ms + a->told.low_ms, now_ms + a->told.likely_ms,
				 now_ms + a->told.high_ms };
	forecasts_told(tx, a->job, &at);
	return 0;
}

static void tell(struct fx *fx, int64_t job, int64_t low_ms, int64_t likely_ms, int64_t high_ms)
{
	struct asking a = { .job = job, .told = { low_ms, likely_ms, high_ms } };
	OK(fx_read(fx, do_tell, &a));
}

static void test_how_good_estimates_of_starts_were(void **state)
{
	struct fx *fx = *state;
	struct job *jobs;
	size_t n;
	int64_t right = submit(fx, "a", "ann"), wrong = submit(fx, "b", "ann");
	submit(fx, "c", "ann");
	tell(fx, right, 0, 1000, 600000);
	/* What it is told later does not count: the first word is what people plan by. */
	tell(fx, right, 300000, 400000, 500000);
	tell(fx, wrong, 300000, 400000, 500000);
	OK(fx_take(fx, 3, &jobs, &n));
	assert_int_equal(n, 3);
	struct asking a = ask(fx, right);
	assert_int_equal(a.starts.n, 2);
	assert_true(a.starts.within > .49 && a.starts.within < .51);
	assert_true(a.starts.log_off > 1);
	/* Once is enough. */
	OK(fx_end(fx, right, OUTCOME_RELEASED, REASON_NONE));
	OK(fx_take(fx, 3, &jobs, &n));
	assert_int_equal(ask(fx, right).starts.n, 2);
}

struct counting {
	int64_t first;
	int names;
	int known;
	struct arena *arena;
};

static int do_count(struct tx *tx, void *ctx, struct err *e)
{
	struct counting *c = ctx;
	c->known = 0;
	for (int i = 0; i < c->names; i++) {
		struct durations *d = durations_new(tx, c->arena);
		struct duration_known k;
		struct job j;
		if (jobs_get(tx, c->first + i, false, c->arena, &j, e) < 0 ||
		    durations_find(d, &j, &k, e) < 0)
			return -1;
		c->known += !k.is_lane;
		/* Nothing of it is needed any more. */
		if (i % 50 == 0)
			arena_release(c->arena);
	}
	return 0;
}

/* Names that never return do not pile up; those that ran last stay. */
static void test_names_do_not_pile_up(void **state)
{
	enum { NAMES = 5100, STAY = 4000, SPARE = 500 };
	struct fx *fx = *state;
	struct job_new *news = calloc(NAMES, sizeof *news);
	struct job_birth *births = calloc(NAMES, sizeof *births);
	char(*names)[16] = calloc(NAMES, sizeof *names);
	struct arena arena = ARENA_INIT;
	assert_true(news && births && names);
	for (int i = 0; i < NAMES; i++) {
		snprintf(names[i], sizeof names[i], "name %d", i);
		news[i] = fx_new();
		news[i].name = names[i];
	}
	OK(fx_submit(fx, news, NAMES, births));
	int64_t last_ms = 0;
	for (int done = 0; done < NAMES;) {
		struct batch b = { 0 };
		OK(fx_take(fx, 100, &b.jobs, &b.len));
		assert_true(b.len > 0);
		/* Ages are told apart by milliseconds. */
		do
			OK(fx_read(fx, do_ask, &(struct asking){ .fx = fx, .job = births[0].id }));
		while (fx->now_ms == last_ms);
		OK(fx_write(fx, do_batch, &b));
		last_ms = fx->now_ms;
		done += (int)b.len;
	}
	struct counting all = { births[0].id, NAMES, 0, &arena },
			newest = { births[NAMES - 1].id - 3000, 3000, 0, &arena };
	OK(fx_read(fx, do_count, &all));
	OK(fx_read(fx, do_count, &newest));
	assert_in_range(all.known, STAY - 100, STAY + SPARE);
	assert_int_equal(newest.known, 3000);
	arena_release(&arena);
	free(news);
	free(births);
	free(names);
}

int main(void)
{
	if (pg_skip_all())
		return 0;
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_runs_are_known_by_name),
		TEST(test_only_success_counts),
		TEST(test_a_batch_is_all_or_nothing),
		TEST(test_a_neighbour_that_fails_leaves_nothing),
		TEST(test_what_is_ahead_and_what_runs),
		TEST(test_how_good_estimates_of_runs_were),
		TEST(test_how_good_estimates_of_starts_were),
		TEST(test_names_do_not_pile_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
