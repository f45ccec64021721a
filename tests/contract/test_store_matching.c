/* Who is next, in the store: owners' turns and bounds, limit keys, priorities; whatever database is below. That nothing else is
 * violated the fixture checks at the end of each test. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "pg_fixture.h"
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

static struct job_new job_of(const char *owner, const char *key, int n)
{
	struct job_new j = fx_new();
	j.owner = owner;
	j.limit_key = (struct limit_key){ key, n };
	return j;
}

static int64_t submit(struct fx *fx, const struct job_new *j)
{
	struct job_birth birth;
	OK(fx_submit(fx, j, 1, &birth));
	return birth.id;
}

static void submit_many(struct fx *fx, const struct job_new *j, size_t n)
{
	struct job_new *news = calloc(n, sizeof *news);
	struct job_birth *births = calloc(n, sizeof *births);
	assert_true(news && births);
	for (size_t i = 0; i < n; i++)
		news[i] = *j;
	OK(fx_submit(fx, news, n, births));
	free(news);
	free(births);
}

static size_t take(struct fx *fx, int slots, struct job **jobs)
{
	size_t n;
	OK(fx_take(fx, slots, jobs, &n));
	return n;
}

/* --- limit keys --- */

static void test_a_key_bounds_what_runs(void **state)
{
	struct fx *fx = *state;
	struct job_new j = job_of("ann", "db", 2), free_one = job_of("ann", NULL, 0);
	struct job *jobs;
	submit_many(fx, &j, 10);
	submit(fx, &free_one);
	/* The batch has more slots than the key has room; what has no key goes on. */
	assert_int_equal(take(fx, 10, &jobs), 3);
	assert_int_equal(jobs[0].id, 1);
	assert_int_equal(jobs[1].id, 2);
	assert_int_equal(jobs[2].id, 11);
	assert_string_equal(jobs[0].limit_key.name, "db");
	assert_int_equal(jobs[0].limit_key.n, 2);
	assert_int_equal(take(fx, 10, &jobs), 0);
	fx->changes_len = 0;
	OK(fx_end(fx, 2, OUTCOME_FAILED, REASON_EXIT));
	/* Who waits for work is told of the one that may go now. */
	bool is_told = false;
	for (size_t i = 0; i < fx->changes_len; i++)
		is_told = is_told || (fx->changes[i].job == 3 && fx->changes[i].to == STATE_WAITING);
	assert_true(is_told);
	assert_int_equal(take(fx, 10, &jobs), 1);
	assert_int_equal(jobs[0].id, 3);
	/* Lost and given back, they wait in their places. */
	OK(fx_end(fx, 3, OUTCOME_RELEASED, REASON_NONE));
	OK(fx_end(fx, 1, OUTCOME_SUCCEEDED, REASON_NONE));
	assert_int_equal(take(fx, 10, &jobs), 2);
	assert_int_equal(jobs[0].id, 3);
	assert_int_equal(jobs[1].id, 4);
}

static void test_a_key_is_its_owners(void **state)
{
	struct fx *fx = *state;
	struct job_new a = job_of("ann", "db", 1), b = job_of("bob", "db", 1);
	struct job *jobs;
	submit_many(fx, &a, 3);
	submit_many(fx, &b, 3);
	assert_int_equal(take(fx, 10, &jobs), 2);
	assert_string_not_equal(jobs[0].owner, jobs[1].owner);
}

/* Two sorts of work, so two lanes, one key. */
static void test_a_key_spans_lanes(void **state)
{
	struct fx *fx = *state;
	struct job_new a = job_of("ann", "db", 1), b = job_of("ann", "db", 1);
	struct job *jobs;
	b.tags = "big";
	submit_many(fx, &a, 2);
	submit_many(fx, &b, 2);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(take(fx, 10, &jobs), 1);
		int64_t id = jobs[0].id;
		assert_int_equal(take(fx, 10, &jobs), 0);
		assert_int_equal(fx_check(fx), 0);
		OK(fx_end(fx, id, OUTCOME_SUCCEEDED, REASON_NONE));
	}
}

static void test_another_n(void **state)
{
	struct fx *fx = *state;
	struct job_new j = job_of("ann", "db", 1), more = job_of("ann", "db", 3),
		       less = job_of("ann", "db", 1);
	struct job *jobs;
	submit_many(fx, &j, 5);
	assert_int_equal(take(fx, 10, &jobs), 1);
	submit(fx, &more);
	assert_int_equal(take(fx, 10, &jobs), 2);
	submit(fx, &less);
	assert_int_equal(fx_check(fx), 0);
	OK(fx_end(fx, 1, OUTCOME_SUCCEEDED, REASON_NONE));
	OK(fx_end(fx, 2, OUTCOME_SUCCEEDED, REASON_NONE));
	assert_int_equal(take(fx, 10, &jobs), 0);
	OK(fx_end(fx, 3, OUTCOME_SUCCEEDED, REASON_NONE));
	assert_int_equal(take(fx, 10, &jobs), 1);
}

static unsigned draw(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245U + 12345U;
	return (*seed >> 8) % below;
}

struct prio {
	int64_t id;
	int priority;
};

static int do_priority(struct tx *tx, void *ctx, struct err *e)
{
	const struct prio *p = ctx;
	return jobs_set_priority(tx, p->id, p->priority, "ann", e);
}

/* Whatever is done to them: the gates are right after each step, and never do more run than may. */
static void test_gates_through_it_all(void **state)
{
	struct fx *fx = *state;
	unsigned seed = 7;
	struct job *jobs;
	int64_t last = 0;
	for (int step = 0; step < 250; step++) {
		struct job_new j = job_of(draw(&seed, 2) ? "ann" : "bob", draw(&seed, 3) ? "a" : "b",
					  1 + (int)draw(&seed, 3));
		j.priority = (int)draw(&seed, 3);
		j.tags = draw(&seed, 2) ? "big" : "";
		j.max_attempts = 1 + (int)draw(&seed, 2);
		j.run_at_ms = draw(&seed, 4) ? 0 : fx->now_ms + 1000000;
		if (draw(&seed, 2))
			last = submit(fx, &j);
		int64_t id = 1 + draw(&seed, (unsigned)last + 1);
		/* What the state does not allow is refused. */
		switch (draw(&seed, 8)) {
		case 0:
			fx_control(fx, jobs_cancel, id);
			break;
		case 1:
			fx_control(fx, jobs_suspend, id);
			break;
		case 2:
			fx_control(fx, jobs_resume, id);
			break;
		case 3:
			fx_control(fx, jobs_retry, id);
			break;
		case 4:
			fx_write(fx, do_priority, &(struct prio){ id, (int)draw(&seed, 5) });
			break;
		case 5:
			take(fx, 3, &jobs);
			break;
		default:
			if (id <= last && state_is_leased(fx_state(fx, id)))
				fx_end(fx, id, draw(&seed, 2) ? OUTCOME_SUCCEEDED : OUTCOME_RELEASED,
				       REASON_NONE);
		}
		assert_int_equal(fx_check(fx), 0);
	}
}

/* --- owners --- */

static int do_set(struct tx *tx, void *ctx, struct err *e)
{
	return owners_set(tx, ctx, "owner:root", e);
}

static void set_owner(struct fx *fx, const char *name, int weight, int running_max)
{
	struct owner o = { .name = name, .weight = weight, .running_max = running_max, .zone = "" };
	OK(fx_write(fx, do_set, &o));
}

static size_t count_of(const struct job *jobs, size_t n, const char *owner)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		count += strcmp(jobs[i].owner, owner) == 0;
	return count;
}

static void test_many_jobs_hide_nobody(void **state)
{
	struct fx *fx = *state;
	struct job_new a = job_of("ann", NULL, 0), b = job_of("bob", NULL, 0);
	struct job *jobs;
	submit_many(fx, &a, 3000);
	assert_int_equal(take(fx, 4, &jobs), 4);
	submit_many(fx, &b, 3);
	assert_int_equal(take(fx, 1, &jobs), 1);
	assert_string_equal(jobs[0].owner, "bob");
	size_t n = take(fx, 8, &jobs);
	assert_int_equal(n, 8);
	assert_int_equal(count_of(jobs, n, "bob"), 2);
}

static void test_weights(void **state)
{
	struct fx *fx = *state;
	static const char *const names[] = { "one", "two", "three" };
	struct job *jobs;
	for (int i = 0; i < 3; i++) {
		struct job_new j = job_of(names[i], NULL, 0);
		submit_many(fx, &j, 200);
		set_owner(fx, names[i], i + 1, 0);
	}
	size_t n = take(fx, 120, &jobs);
	assert_int_equal(n, 120);
	for (size_t i = 0; i < 3; i++)
		assert_in_range(count_of(jobs, n, names[i]), 20 * (i + 1) - 1, 20 * (i + 1) + 1);
}

static void test_an_owners_bound(void **state)
{
	struct fx *fx = *state;
	struct job_new a = job_of("ann", NULL, 0), b = job_of("bob", NULL, 0);
	struct job *jobs;
	set_owner(fx, "ann", 1, 2);
	submit_many(fx, &a, 10);
	submit_many(fx, &b, 2);
	size_t n = take(fx, 10, &jobs);
	assert_int_equal(count_of(jobs, n, "ann"), 2);
	assert_int_equal(n, 4);
	fx->changes_len = 0;
	OK(fx_end(fx, jobs[0].id, OUTCOME_SUCCEEDED, REASON_NONE));
	int64_t ended_of_ann = strcmp(jobs[0].owner, "ann") == 0;
	n = take(fx, 10, &jobs);
	assert_int_equal(n, ended_of_ann);
	set_owner(fx, "ann", 1, 5);
	n = take(fx, 10, &jobs);
	assert_int_equal(count_of(jobs, n, "ann"), 3);
	set_owner(fx, "ann", 1, 0);
	assert_int_equal(take(fx, 10, &jobs), 10 - 5 - ended_of_ann);
}

/* More owners than a lease looks at: each is seen all the same. */
static void test_very_many_owners(void **state)
{
	struct fx *fx = *state;
	struct job *jobs;
	char name[16];
	size_t taken = 0, rounds = 0;
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "o%d", i);
		struct job_new j = job_of(name, NULL, 0);
		submit_many(fx, &j, 2);
	}
	while (taken < 400 && rounds++ < 400)
		taken += take(fx, 3, &jobs);
	assert_int_equal(taken, 400);
	assert_in_range(rounds, 134, 140);
}

/* --- a priority that a person has set --- */

static int do_rerun(struct tx *tx, void *ctx, struct err *e)
{
	return jobs_rerun(tx, *(int64_t *)ctx, "ann", ctx, e);
}

static void test_a_manual_priority_stays(void **state)
{
	struct fx *fx = *state;
	struct job_new j = job_of("ann", NULL, 0);
	struct job *jobs;
	j.dedupe = "k";
	j.max_attempts = 2;
	int64_t id = submit(fx, &j);
	OK(fx_write(fx, do_priority, &(struct prio){ id, 42 }));
	j.priority = 3;
	assert_int_equal(submit(fx, &j), id);
	assert_int_equal(fx_get(fx, id).priority, 42);
	assert_int_equal(take(fx, 1, &jobs), 1);
	OK(fx_end(fx, id, OUTCOME_RELEASED, REASON_NONE));
	assert_int_equal(fx_get(fx, id).priority, 42);
	OK(fx_run(fx, id, OUTCOME_FAILED));
	assert_int_equal(fx_get(fx, id).priority, 42);
	OK(fx_control(fx, jobs_cancel, id));
	OK(fx_control(fx, jobs_retry, id));
	OK(fx_control(fx, jobs_suspend, id));
	OK(fx_control(fx, jobs_resume, id));
	assert_int_equal(fx_get(fx, id).priority, 42);
	OK(fx_control(fx, jobs_cancel, id));
	int64_t again = id;
	OK(fx_write(fx, do_rerun, &again));
	assert_int_equal(fx_get(fx, again).priority, 42);
}

int main(void)
{
	if (pg_skip_all())
		return 0;
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_key_bounds_what_runs),
		TEST(test_a_key_is_its_owners),
		TEST(test_a_key_spans_lanes),
		TEST(test_another_n),
		TEST(test_gates_through_it_all),
		TEST(test_many_jobs_hide_nobody),
		TEST(test_weights),
		TEST(test_an_owners_bound),
		TEST(test_very_many_owners),
		TEST(test_a_manual_priority_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
