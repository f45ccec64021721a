/* Shared transactions: who fails, fails alone; what is told is durable; many threads. */
#include "test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pg_fixture.h"
#include "store_fixture.h"

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

/* One gate that holds the writer until all tasks are queued, so that they end up in one transaction. */
struct gate {
	struct store_task task;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool is_open;
	int to_come;
};

struct member {
	struct store_task task;
	struct gate *gate;
	const char *owner;
	bool must_fail, is_done;
	int64_t id;
	size_t changes_seen;
	struct fx *fx;
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

static int member_run(struct tx *tx, struct store_task *t, struct err *e)
{
	struct member *m = (struct member *)t;
	struct job_new one = fx_new();
	struct job_birth b;
	/* New strings, lanes and a worker, all of which a failure must take back from the caches too. */
	one.owner = m->owner;
	one.tags = m->owner;
	if (jobs_submit(tx, &one, 1, m->owner, &b, e) < 0)
		return -1;
	struct worker w = { .name = m->owner, .session = "x" };
	int64_t id;
	if (workers_register(tx, &w, &id, e) < 0)
		return -1;
	m->id = b.id;
	return m->must_fail ? err_set(e, ERR_CONFLICT, "as asked") : 0;
}

static void member_done(struct store_task *t)
{
	struct member *m = (struct member *)t;
	m->is_done = true;
	m->changes_seen = m->fx->changes_len;
	gate_came(m->gate);
}

/* The n-th job that was kept. What failed leaves a gap on PostgreSQL. */
static void assert_number(int64_t id, int64_t n)
{
	if (pg_is_wanted())
		assert_true(id >= n);
	else
		assert_int_equal(id, n);
}

static void test_failures_are_alone(void **state)
{
	struct fx *fx = *state;
	struct gate g = { .task = { .run = gate_run, .done = gate_done },
			  .lock = PTHREAD_MUTEX_INITIALIZER,
			  .wake = PTHREAD_COND_INITIALIZER,
			  .to_come = 7 };
	static const char *const owners[] = { "ann", "bad", "bad", "cat", "dan", "bad" };
	struct member m[6];
	store_write(fx->store, &g.task);
	for (int i = 0; i < 6; i++) {
		m[i] = (struct member){ .task = { .run = member_run, .done = member_done },
					.gate = &g,
					.owner = owners[i],
					.must_fail = i == 1 || i == 3 || i == 5,
					.fx = fx };
		store_write(fx->store, &m[i].task);
	}
	pthread_mutex_lock(&g.lock);
	g.is_open = true;
	pthread_cond_broadcast(&g.wake);
	while (g.to_come)
		pthread_cond_wait(&g.wake, &g.lock);
	pthread_mutex_unlock(&g.lock);
	for (int i = 0; i < 6; i++) {
		assert_true(m[i].is_done);
		assert_int_equal(m[i].task.rc, m[i].must_fail ? -1 : 0);
		if (m[i].must_fail)
			assert_string_equal(m[i].task.err.text, "as asked");
		else
			/* All of the group's changes were told before anybody was. */
			assert_int_equal(m[i].changes_seen, 3);
	}
	assert_number(m[0].id, 1);
	assert_number(m[2].id, 2);
	assert_number(m[4].id, 3);
	assert_string_equal(fx_get(fx, m[2].id).owner, "bad");
	assert_string_equal(fx_get(fx, m[4].id).owner, "dan");
	assert_string_equal(fx_get(fx, m[4].id).tags, "dan");
	/* What a failed task was the first to name is named again without harm. */
	struct job_new one = fx_new();
	struct job_birth b;
	one.owner = one.tags = "cat";
	assert_int_equal(fx_submit(fx, &one, 1, &b), 0);
	assert_string_equal(fx_get(fx, b.id).owner, "cat");
	assert_string_equal(fx_get(fx, b.id).tags, "cat");
}

static int do_nothing_well(struct tx *tx, void *ctx, struct err *e)
{
	struct job_new one = fx_new();
	struct job_birth b;
	one.owner = "zoe";
	if (jobs_submit(tx, &one, 1, "owner:zoe", &b, e) < 0)
		return -1;
	return -1; /* says nothing */
}

static void test_a_lone_failure(void **state)
{
	struct fx *fx = *state;
	struct job_new one = fx_new();
	struct job_birth b;
	assert_int_equal(fx_write(fx, do_nothing_well, NULL), -1);
	assert_int_equal(fx->err.code, ERR_INTERNAL);
	assert_int_equal(fx->changes_len, 0);
	one.owner = "zoe";
	assert_int_equal(fx_submit(fx, &one, 1, &b), 0);
	assert_number(b.id, 1);
	assert_string_equal(fx_get(fx, b.id).owner, "zoe");
}

enum { THREADS = 16, EACH = 40 };

struct actor {
	struct fx *fx;
	int number;
	int64_t ids[EACH];
	int taken, failed;
};

struct work {
	struct store_task task;
	struct actor *who;
	struct arena arena;
	int step;
};

static int take_and_finish(struct tx *tx, struct actor *who, struct arena *a, struct err *e)
{
	struct lane *lanes;
	struct job *jobs;
	int64_t ids[64];
	size_t n, got;
	if (lanes_list(tx, a, &lanes, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		ids[i] = lanes[i].id;
	if (jobs_take(tx, ids, n, 3, &who->fx->worker, tx_now_ms(tx) + 60000, a, &jobs, &got, e) < 0)
		return -1;
	for (size_t i = 0; i < got; i++) {
		enum job_state s;
		bool is_repeat;
		struct job_end end = { .job = jobs[i].id,
				       .attempt = jobs[i].attempt,
				       .outcome = (jobs[i].id + who->number) % 5 ? OUTCOME_SUCCEEDED
										 : OUTCOME_LOST,
				       .step = "",
				       .detail = "" };
		if (jobs_finish(tx, &end, "worker:w", &s, &is_repeat, e) < 0)
			return -1;
	}
	who->taken += (int)got;
	return 0;
}

static int work_run(struct tx *tx, struct store_task *t, struct err *e)
{
	struct work *w = (struct work *)t;
	struct actor *who = w->who;
	struct job_new one = fx_new();
	struct job_birth b;
	char owner[16];
	snprintf(owner, sizeof owner, "o%d", who->number % 3);
	one.owner = owner;
	if (w->step % 7 == 3)
		return err_set(e, ERR_CONFLICT, "now and then");
	if (who->number % 2)
		return take_and_finish(tx, who, &w->arena, e);
	int64_t need = w->step && who->ids[w->step - 1] ? who->ids[w->step - 1] : 0;
	one.needs = &need;
	one.needs_len = need != 0;
	if (jobs_submit(tx, &one, 1, owner, &b, e) < 0)
		return -1;
	who->ids[w->step] = b.id;
	return 0;
}

static void *act(void *arg)
{
	struct actor *who = arg;
	for (int i = 0; i < EACH; i++) {
		struct work w = { .task = { .run = work_run }, .who = who, .arena = ARENA_INIT, .step = i };
		who->failed += store_write_wait(who->fx->store, &w.task) < 0;
		arena_release(&w.arena);
	}
	return NULL;
}

static void *look(void *arg)
{
	struct fx *fx = arg;
	for (int i = 0; i < 5; i++)
		assert_int_equal(fx_check(fx), 0);
	return NULL;
}

static void test_many_threads(void **state)
{
	struct fx *fx = *state;
	pthread_t threads[THREADS + 1];
	struct actor *actors = calloc(THREADS, sizeof *actors);
	for (int i = 0; i < THREADS; i++) {
		actors[i] = (struct actor){ .fx = fx, .number = i };
		assert_int_equal(pthread_create(&threads[i], NULL, act, &actors[i]), 0);
	}
	assert_int_equal(pthread_create(&threads[THREADS], NULL, look, fx), 0);
	for (int i = 0; i <= THREADS; i++)
		pthread_join(threads[i], NULL);
	int taken = 0;
	for (int i = 0; i < THREADS; i++) {
		taken += actors[i].taken;
		assert_int_equal(actors[i].failed, (EACH + 3) / 7);
	}
	assert_true(taken > 0);
	free(actors);
}

int main(void)
{
	if (pg_skip_all())
		return 0;
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_failures_are_alone),
		TEST(test_a_lone_failure),
		TEST(test_many_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
