/* Who is blamed: the cases one by one, and farms made by chance in which the rule must find the culprits and come to an end. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "model/blame.h"

static struct blame judge(int worker, int job, int others)
{
	return blame_judge(&(struct blame_case){ .worker = worker, .job = job, .others = others });
}

/* c.4: equal counts, neither is blamed. */
static void test_equal_counts_only_requeue(void **state)
{
	for (int n = 0; n < BLAME_MAX - 1; n++) {
		struct blame b = judge(n, n, 3);
		assert_int_equal(b.worker, n + 1);
		assert_int_equal(b.job, n + 1);
		assert_false(b.is_worker_out || b.is_job_out || b.is_clearing);
	}
}

/* c.4: builder > job. */
static void test_larger_worker_is_blamed_at_its_bound(void **state)
{
	struct blame b = judge(3, 0, 3);
	assert_false(b.is_worker_out || b.is_job_out);
	b = judge(BLAME_MAX - 1, 0, 3);
	assert_true(b.is_worker_out && !b.is_worker_suspect && !b.is_job_out);
	/* What it did to the job is not held against that. */
	assert_int_equal(b.job, 0);
	/* Also where it is alone. */
	assert_true(judge(BLAME_MAX - 1, 0, 0).is_worker_out);
}

/* c.4: job > builder. */
static void test_larger_job_is_blamed_at_its_bound(void **state)
{
	struct blame b = judge(0, 2, 3);
	assert_false(b.is_worker_out || b.is_job_out || b.is_clearing);
	b = judge(0, BLAME_MAX - 1, 3);
	assert_true(b.is_job_out && b.is_clearing && !b.is_worker_out);
}

/* They have only met each other: somebody else is asked. */
static void test_equal_at_the_bound(void **state)
{
	struct blame b = judge(BLAME_MAX - 1, BLAME_MAX - 1, 1);
	assert_true(b.is_worker_out && b.is_worker_suspect && !b.is_job_out);
	assert_int_equal(b.job, BLAME_MAX);
	/* The other one breaks too. */
	b = judge(0, BLAME_MAX, 0);
	assert_true(b.is_job_out && b.is_clearing);
	/* Nobody else to ask: the job ends, and the worker stays under suspicion. */
	b = judge(BLAME_MAX - 1, BLAME_MAX - 1, 0);
	assert_true(b.is_job_out && !b.is_clearing && !b.is_worker_out);
	assert_int_equal(b.worker, BLAME_MAX);
	assert_true(judge(BLAME_MAX, 0, 0).is_worker_out);
}

/* A worker that dies with eight jobs has failed once, each of them once. */
static void test_one_death_is_one_failure(void **state)
{
	int worker = 0;
	for (int i = 0; i < 8; i++) {
		struct blame b = blame_judge(
			&(struct blame_case){ .worker = worker, .job = 0, .is_counted = i > 0, .others = 1 });
		worker = b.worker;
		assert_int_equal(b.job, 1);
		assert_false(b.is_worker_out || b.is_job_out);
	}
	assert_int_equal(worker, 1);
}

/* --- farms by chance --- */

enum { WORKERS_MAX = 12, JOBS_MAX = 60, SEEDS = 20000 };

struct farm {
	uint64_t chance;
	int workers, jobs;
	struct {
		bool is_broken, is_out;
		int failures, suspect_of; /* job + 1 */
	} w[WORKERS_MAX];
	struct {
		bool is_poison, is_over, is_lost;
		int losses, worst;
		uint64_t broke; /* workers */
	} j[JOBS_MAX];
	int steps;
};

static unsigned below(struct farm *f, unsigned n)
{
	f->chance ^= f->chance << 13;
	f->chance ^= f->chance >> 7;
	f->chance ^= f->chance << 17;
	return (unsigned)(f->chance % n);
}

static int choose(struct farm *f, bool is_worker)
{
	int n = is_worker ? f->workers : f->jobs, found = -1, seen = 0;
	for (int i = 0; i < n; i++) {
		bool may = is_worker ? !f->w[i].is_out : !f->j[i].is_over;
		if (may && below(f, (unsigned)++seen) == 0)
			found = i;
	}
	return found;
}

static int count_others(const struct farm *f, int w)
{
	int n = 0;
	for (int i = 0; i < f->workers; i++)
		n += i != w && !f->w[i].is_out;
	return n;
}

static void clear(struct farm *f, int j)
{
	for (int i = 0; i < f->workers; i++) {
		if (!(f->j[j].broke & (1ULL << i)))
			continue;
		f->w[i].failures = 0;
		if (f->w[i].suspect_of != j + 1)
			continue;
		f->w[i].is_out = false;
		f->w[i].suspect_of = 0;
	}
}

static void lose(struct farm *f, int w, int j)
{
	struct blame b = blame_judge(&(struct blame_case){
		.worker = f->w[w].failures, .job = f->j[j].losses, .others = count_others(f, w) });
	f->w[w].failures = b.worker;
	f->j[j].losses = b.job;
	f->j[j].worst = b.job > f->j[j].worst ? b.job : f->j[j].worst;
	f->j[j].broke |= 1ULL << w;
	f->w[w].is_out = b.is_worker_out;
	f->w[w].suspect_of = b.is_worker_suspect ? j + 1 : 0;
	f->j[j].is_over = f->j[j].is_lost = b.is_job_out;
	if (b.is_clearing)
		clear(f, j);
}

/* Until every job is over or every worker is out. `sticky`: a lost job goes back to the worker that lost it. */
static void run(struct farm *f, bool is_sticky)
{
	int w = -1, j = -1;
	for (f->steps = 0;; f->steps++) {
		bool is_again = is_sticky && w >= 0 && !f->w[w].is_out && !f->j[j].is_over;
		w = is_again ? w : choose(f, true);
		j = is_again ? j : choose(f, false);
		if (w < 0 || j < 0)
			return;
		/* Each worker is taken out for good or by suspicion of one job; each job is lost BLAME_MAX times and once
		 * more for each worker that went. */
		if (f->steps > (BLAME_MAX + 2) * (f->jobs + f->workers) * 2)
			fail_msg("no end: %d workers, %d jobs", f->workers, f->jobs);
		if (f->w[w].is_broken || f->j[j].is_poison) {
			lose(f, w, j);
			continue;
		}
		f->w[w].failures = 0;
		f->j[j].is_over = true;
	}
}

static void make(struct farm *f, uint64_t seed, unsigned broken, unsigned poison)
{
	memset(f, 0, sizeof *f);
	f->chance = seed * 0x9e3779b97f4a7c15ULL + 1;
	f->workers = 1 + (int)below(f, WORKERS_MAX);
	f->jobs = 1 + (int)below(f, JOBS_MAX);
	for (int i = 0; i < f->workers; i++)
		f->w[i].is_broken = below(f, 100) < broken;
	for (int i = 0; i < f->jobs; i++)
		f->j[i].is_poison = below(f, 100) < poison;
}

static void check_bounds(const struct farm *f)
{
	for (int i = 0; i < f->jobs; i++)
		assert_true(f->j[i].worst <= BLAME_MAX + 1);
	for (int i = 0; i < f->workers; i++)
		assert_true(f->w[i].failures <= BLAME_MAX + 2);
}

/* Whatever is mixed, it ends and the counts stay small. */
static void test_every_mix_ends(void **state)
{
	static struct farm f;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		make(&f, seed, (unsigned)(seed % 101), (unsigned)(seed / 101 % 101));
		run(&f, seed & 1);
		check_bounds(&f);
	}
}

/* Good workers, some jobs that break them: those end as lost and no other; all workers are there, none with a count
 * that one more failure would turn against it. */
static void test_poisonous_jobs_among_good_workers(void **state)
{
	static struct farm f;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		make(&f, seed, 0, 3);
		f.workers = f.workers < 2 ? 2 : f.workers;
		for (int i = 0, poison = 0; i < f.jobs; i++)
			f.j[i].is_poison = f.j[i].is_poison && poison++ == 0;
		run(&f, seed & 1);
		for (int i = 0; i < f.jobs; i++) {
			assert_true(f.j[i].is_over);
			assert_int_equal(f.j[i].is_lost, f.j[i].is_poison);
		}
		for (int i = 0; i < f.workers; i++)
			assert_false(f.w[i].is_out);
		check_bounds(&f);
	}
}

/* One worker that breaks each job, among good ones: it alone is taken out, and no job is lost. */
static void test_a_broken_worker_among_good_ones(void **state)
{
	static struct farm f;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		make(&f, seed, 0, 0);
		f.workers = f.workers < 2 ? 2 : f.workers;
		f.w[0].is_broken = true;
		run(&f, seed & 1);
		for (int i = 0; i < f.jobs; i++)
			assert_true(f.j[i].is_over && !f.j[i].is_lost);
		for (int i = 1; i < f.workers; i++)
			assert_false(f.w[i].is_out);
		check_bounds(&f);
	}
}

/* Alone and broken: one job is spoiled, then the worker is out and the others wait. */
static void test_a_broken_worker_that_is_alone(void **state)
{
	static struct farm f;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		int lost = 0;
		make(&f, seed, 0, 0);
		f.workers = 1;
		f.w[0].is_broken = true;
		run(&f, seed & 1);
		for (int i = 0; i < f.jobs; i++)
			lost += f.j[i].is_lost;
		assert_true(lost <= 1);
		assert_true(f.w[0].is_out || f.jobs == 1);
	}
}

/* Alone, with a job that breaks it: the job ends, and the next success clears the worker. */
static void test_a_poisonous_job_and_one_worker(void **state)
{
	static struct farm f;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		make(&f, seed, 0, 0);
		f.workers = 1;
		f.j[0].is_poison = true;
		run(&f, seed & 1);
		for (int i = 0; i < f.jobs; i++)
			assert_true(f.j[i].is_over && f.j[i].is_lost == f.j[i].is_poison);
		assert_false(f.w[0].is_out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_counts_only_requeue),
		cmocka_unit_test(test_larger_worker_is_blamed_at_its_bound),
		cmocka_unit_test(test_larger_job_is_blamed_at_its_bound),
		cmocka_unit_test(test_equal_at_the_bound),
		cmocka_unit_test(test_one_death_is_one_failure),
		cmocka_unit_test(test_every_mix_ends),
		cmocka_unit_test(test_poisonous_jobs_among_good_workers),
		cmocka_unit_test(test_a_broken_worker_among_good_ones),
		cmocka_unit_test(test_a_broken_worker_that_is_alone),
		cmocka_unit_test(test_a_poisonous_job_and_one_worker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
