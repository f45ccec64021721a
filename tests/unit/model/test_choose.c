/* The chooser: single cases, properties over seeded schedules, and farms simulated in time.
 * SLIPWAY_SCHEDULES says how many schedules (make soak: a million), SLIPWAY_SEED where they begin. */
#include "test.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/choose.h"

enum { OWNERS = 6, KEYS = 4, JOBS = 40, SLOTS = 12 };

static uint64_t seed;

static unsigned draw(unsigned below)
{
	seed += 0x9e3779b97f4a7c15U;
	uint64_t z = seed;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return (unsigned)((z ^ (z >> 31)) % below);
}

/* --- one choice --- */

static void test_priority_then_age(void **state)
{
	struct shares s = { 0 };
	struct choose_owner o = { .id = 1, .weight = 1 };
	struct choose_job jobs[] = { { 1, 0, 0, -1 }, { 2, 5, 0, -1 }, { 3, 5, 0, -1 }, { 4, -1, 0, -1 } };
	static const int64_t order[] = { 2, 3, 1 };
	size_t picks[3];
	assert_int_equal(choose(&s, 0, &o, 1, NULL, jobs, 4, 3, picks), 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(jobs[picks[i]].id, order[i]);
	/* Alone, nobody keeps an account. */
	assert_int_equal(s.len, 0);
	shares_release(&s);
}

static void test_limits_pass_over(void **state)
{
	struct shares s = { 0 };
	struct choose_owner owners[] = { { .id = 1, .weight = 1, .running = 1, .running_max = 2 },
					 { .id = 2, .weight = 1, .running = 3, .running_max = 3 } };
	struct choose_key keys[] = { { .id = 1, .left = 0 }, { .id = 2, .left = 1 } };
	struct choose_job jobs[] = {
		{ 1, 9, 0, 0 }, { 2, 0, 0, 1 }, { 3, 0, 0, 1 }, { 4, 0, 0, -1 }, { 5, 9, 1, -1 }
	};
	size_t picks[5];
	assert_int_equal(choose(&s, 0, owners, 2, keys, jobs, 5, 5, picks), 1);
	assert_int_equal(jobs[picks[0]].id, 2);
	shares_release(&s);
}

/* An urgent job goes before others', until its owner is too far ahead. */
static void test_priority_is_on_credit(void **state)
{
	struct shares s = { 0 };
	int urgent = 0, until_due = 0;
	for (int i = 0; i < 2 * SHARES_CREDIT_MS / SHARES_TURN_MS; i++) {
		struct choose_owner owners[] = { { .id = 1, .weight = 1 }, { .id = 2, .weight = 1 } };
		struct choose_job jobs[] = { { 1, 100, 0, -1 }, { 2, 0, 1, -1 } };
		size_t pick;
		assert_int_equal(choose(&s, i, owners, 2, NULL, jobs, 2, 1, &pick), 1);
		/* A start that takes no time. */
		s.at[0].running = s.at[1].running = 0;
		if (jobs[pick].id == 1)
			urgent++;
		else if (!until_due)
			until_due = i;
	}
	assert_int_equal(until_due, SHARES_CREDIT_MS / SHARES_TURN_MS + 1);
	/* From then on in turns. */
	assert_in_range(urgent - until_due, (until_due - 10) / 2, (until_due + 10) / 2);
	shares_release(&s);
}

/* --- schedules --- */

struct schedule {
	struct choose_owner owners[OWNERS], before[OWNERS];
	struct choose_key keys[KEYS], room[KEYS];
	struct choose_job jobs[JOBS];
	size_t owners_len, jobs_len, slots, picks[SLOTS], n;
	bool is_taken[JOBS];
};

static void make_schedule(struct schedule *c)
{
	memset(c, 0, sizeof *c);
	c->owners_len = 1 + draw(OWNERS);
	c->slots = 1 + draw(SLOTS);
	c->jobs_len = draw(JOBS + 1);
	for (size_t i = 0; i < c->owners_len; i++)
		c->owners[i] = (struct choose_owner){ .id = (int64_t)(i * 7 + 1),
						      .weight = 1 + (int)draw(5),
						      .running = (int)draw(4),
						      .running_max = draw(3) ? 0 : 1 + (int)draw(5) };
	for (size_t i = 0; i < KEYS; i++)
		c->keys[i] = (struct choose_key){ .id = (int64_t)i + 1, .left = (int64_t)draw(4) - 1 };
	for (size_t i = 0; i < c->jobs_len; i++)
		c->jobs[i] = (struct choose_job){ .id = (int64_t)(i + 1),
						  .priority = (int)draw(4),
						  .owner = (int)draw((unsigned)c->owners_len),
						  .key = (int)draw(KEYS * 3) < KEYS ? (int)draw(KEYS) : -1 };
	memcpy(c->before, c->owners, sizeof c->before);
	memcpy(c->room, c->keys, sizeof c->room);
}

/* Whatever was chosen, in its order: never over a limit, never a worse job of an owner before a better one. */
static void check_picks(struct schedule *c)
{
	int running[OWNERS];
	int64_t left[KEYS];
	for (size_t i = 0; i < c->owners_len; i++)
		running[i] = c->before[i].running;
	for (size_t i = 0; i < KEYS; i++)
		left[i] = c->room[i].left;
	assert_true(c->n <= c->slots);
	for (size_t p = 0; p < c->n; p++) {
		const struct choose_job *j = &c->jobs[c->picks[p]];
		assert_false(c->is_taken[c->picks[p]]);
		c->is_taken[c->picks[p]] = true;
		/* Overcommitted? */
		running[j->owner]++;
		assert_true(!c->before[j->owner].running_max ||
			    running[j->owner] <= c->before[j->owner].running_max);
		if (j->key >= 0)
			assert_true(--left[j->key] >= 0);
		/* In order? */
		for (size_t i = 0; i < c->jobs_len; i++) {
			const struct choose_job *k = &c->jobs[i];
			bool is_better = k->priority > j->priority ||
					 (k->priority == j->priority && k->id < j->id);
			bool may_run = k->key < 0 || left[k->key] + (k->key == j->key) > 0;
			assert_false(!c->is_taken[i] && k->owner == j->owner && is_better && may_run);
		}
	}
	/* Idle? A slot stays free only if nothing may run. */
	for (size_t i = 0; c->n < c->slots && i < c->jobs_len; i++) {
		const struct choose_job *k = &c->jobs[i];
		int most = c->before[k->owner].running_max;
		assert_false(!c->is_taken[i] && (!most || running[k->owner] < most) &&
			     (k->key < 0 || left[k->key] > 0));
	}
}

/* Among those within their credit nothing goes before a job of a higher priority; who is due is never passed by one who is not. */
static void check_turns(const struct schedule *c, const struct shares *before)
{
	if (c->n == 0 || c->owners_len < 2)
		return;
	const struct choose_job *first = &c->jobs[c->picks[0]];
	for (size_t i = 0; i < c->jobs_len; i++) {
		const struct choose_job *k = &c->jobs[i];
		int most = c->before[k->owner].running_max;
		if ((most && c->before[k->owner].running >= most) ||
		    (k->key >= 0 && c->room[k->key].left <= 0))
			continue;
		double used_k = 0, used_first = 0;
		for (size_t h = 0; h < before->len; h++) {
			if (before->at[h].id == c->owners[k->owner].id)
				used_k = before->at[h].used;
			if (before->at[h].id == c->owners[first->owner].id)
				used_first = before->at[h].used;
		}
		if (used_first - used_k > SHARES_CREDIT_MS)
			fail_msg("owner %d, far ahead, went before owner %d", first->owner, k->owner);
		if (k->priority == first->priority && used_first > used_k &&
		    used_first - used_k < SHARES_CREDIT_MS)
			fail_msg("owner %d, who had more, went before owner %d", first->owner, k->owner);
	}
}

static void test_schedules(void **state)
{
	const char *wanted = getenv("SLIPWAY_SCHEDULES"), *from = getenv("SLIPWAY_SEED");
	long count = wanted ? strtol(wanted, NULL, 10) : 30000;
	uint64_t begin = from ? strtoull(from, NULL, 10) : 1;
	struct schedule c;
	for (long i = 0; i < count; i++) {
		seed = begin + (uint64_t)i;
		make_schedule(&c);
		struct shares s = { 0 }, level = { 0 };
		/* A past: some owners have used more than others, some are not known. */
		for (size_t k = 0; k < c.owners_len; k++) {
			struct choose_owner o = c.owners[k], other = { .id = 1000, .weight = 1 };
			struct choose_owner two[] = { o, other };
			struct choose_job job = { 1, 0, 0, -1 };
			size_t pick;
			two[0].running_max = 0;
			two[0].running = (int)draw(200);
			choose(&s, 0, two, 2, NULL, &job, 1, 1, &pick);
		}
		/* A first call without work brings the ledger to now. */
		struct choose_owner past[OWNERS];
		memcpy(past, c.owners, sizeof past);
		struct choose_job none = { 1, 0, 0, 0 };
		struct choose_key full = { .id = 9, .left = 0 };
		size_t pick;
		choose(&s, 5000, past, c.owners_len, &full, &none, 1, 1, &pick);
		level.at = malloc((s.len + 1) * sizeof *s.at);
		assert_non_null(level.at);
		memcpy(level.at, s.at, s.len * sizeof *s.at);
		level.len = s.len;
		c.n = choose(&s, 5000, c.owners, c.owners_len, c.keys, c.jobs, c.jobs_len, c.slots, c.picks);
		check_picks(&c);
		check_turns(&c, &level);
		shares_release(&s);
		shares_release(&level);
	}
	print_message("# %ld schedules from seed %" PRIu64 "\n", count, begin);
}

/* --- in time --- */

enum { FARM_SLOTS = 8, FARM_OWNERS = 4 };

struct farm {
	struct shares shares;
	int slots, owners_len;
	int weight[FARM_OWNERS], priority[FARM_OWNERS];
	unsigned longest_ms[FARM_OWNERS];
	int64_t from_ms[FARM_OWNERS]; /* has endless work from then on */
	int64_t now_ms, next_id;
	int owner_of[FARM_SLOTS]; /* -1: free */
	int64_t until_ms[FARM_SLOTS];
	int running[FARM_OWNERS];
	double served_ms[FARM_OWNERS];
	int64_t first_ms[FARM_OWNERS], last_ms[FARM_OWNERS], longest_wait_ms[FARM_OWNERS];
};

static void farm_init(struct farm *f, int slots, int owners)
{
	memset(f, 0, sizeof *f);
	f->slots = slots;
	f->owners_len = owners;
	for (int i = 0; i < FARM_SLOTS; i++)
		f->owner_of[i] = -1;
	for (int i = 0; i < FARM_OWNERS; i++) {
		f->weight[i] = 1;
		f->longest_ms[i] = 1000;
		f->first_ms[i] = -1;
	}
}

static void farm_fill(struct farm *f, int slot)
{
	struct choose_owner owners[FARM_OWNERS];
	struct choose_job jobs[FARM_OWNERS];
	int who[FARM_OWNERS];
	size_t n = 0, pick;
	for (int i = 0; i < f->owners_len; i++) {
		if (f->now_ms < f->from_ms[i])
			continue;
		owners[n] = (struct choose_owner){ .id = i + 1,
						   .weight = f->weight[i],
						   .running = f->running[i] };
		jobs[n] = (struct choose_job){ ++f->next_id, f->priority[i], (int)n, -1 };
		who[n++] = i;
	}
	assert_int_equal(choose(&f->shares, f->now_ms, owners, n, NULL, jobs, n, 1, &pick), 1);
	int i = who[jobs[pick].owner];
	int64_t span_ms = 1 + draw(f->longest_ms[i]);
	int64_t waited_ms = f->now_ms - (f->first_ms[i] < 0 ? f->from_ms[i] : f->last_ms[i]);
	if (f->first_ms[i] < 0)
		f->first_ms[i] = f->now_ms;
	if (waited_ms > f->longest_wait_ms[i])
		f->longest_wait_ms[i] = waited_ms;
	f->last_ms[i] = f->now_ms;
	f->owner_of[slot] = i;
	f->until_ms[slot] = f->now_ms + span_ms;
	f->running[i]++;
}

static void farm_run(struct farm *f, int64_t until_ms)
{
	while (f->now_ms < until_ms) {
		int64_t next_ms = INT64_MAX;
		for (int s = 0; s < f->slots; s++) {
			if (f->owner_of[s] >= 0 && f->until_ms[s] <= f->now_ms) {
				f->running[f->owner_of[s]]--;
				f->owner_of[s] = -1;
			}
			if (f->owner_of[s] < 0)
				farm_fill(f, s);
			if (f->until_ms[s] < next_ms)
				next_ms = f->until_ms[s];
		}
		for (int s = 0; s < f->slots; s++)
			f->served_ms[f->owner_of[s]] += (double)(next_ms - f->now_ms);
		f->now_ms = next_ms;
	}
}

/* Each has its part of the time, within `percent` of it. */
static void check_shares(const struct farm *f, const double *served, int percent)
{
	double all = 0;
	int weights = 0;
	for (int i = 0; i < f->owners_len; i++) {
		all += served[i];
		weights += f->weight[i];
	}
	for (int i = 0; i < f->owners_len; i++) {
		double part = served[i] / all * weights / f->weight[i];
		if (part < 1 - percent / 100.0 || part > 1 + percent / 100.0)
			fail_msg("owner %d of weight %d had %.3f of his share", i, f->weight[i], part);
	}
}

static void test_shares_of_time(void **state)
{
	for (int slots = 1; slots <= FARM_SLOTS; slots++) {
		struct farm f;
		seed = (uint64_t)slots;
		farm_init(&f, slots, 3);
		for (int i = 0; i < 3; i++) {
			f.weight[i] = i + 1;
			/* As long as they like: it is the time that is shared. */
			f.longest_ms[i] = i == 1 ? 20000 : 500;
		}
		farm_run(&f, 20000 * 1000);
		check_shares(&f, f.served_ms, 3);
		shares_release(&f.shares);
	}
}

static void test_who_comes_late_has_a_turn_at_once(void **state)
{
	struct farm f;
	double before[FARM_OWNERS];
	farm_init(&f, 2, 3);
	for (int i = 0; i < 3; i++)
		f.weight[i] = i + 1;
	f.from_ms[0] = 1000 * 1000;
	farm_run(&f, 2000 * 1000);
	/* The first slot that became free was his. */
	assert_in_range(f.first_ms[0] - f.from_ms[0], 0, 1000);
	memcpy(before, f.served_ms, sizeof before);
	farm_run(&f, 6000 * 1000);
	for (int i = 0; i < 3; i++)
		before[i] = f.served_ms[i] - before[i];
	check_shares(&f, before, 3);
	/* What he had not used before he came he does not get after. */
	assert_true(f.served_ms[0] < (double)f.now_ms * 2 / 6);
	shares_release(&f.shares);
}

static void test_nobody_starves(void **state)
{
	for (unsigned round = 0; round < 20; round++) {
		struct farm f;
		seed = round;
		farm_init(&f, 1 + (int)draw(FARM_SLOTS), 2 + (int)draw(FARM_OWNERS - 1));
		int weights = 0;
		for (int i = 0; i < f.owners_len; i++) {
			f.weight[i] = 1 + (int)draw(4);
			f.priority[i] = (int)draw(2000) - 1000;
			f.longest_ms[i] = 500 + draw(5000);
			weights += f.weight[i];
		}
		farm_run(&f, 30000 * 1000);
		for (int i = 0; i < f.owners_len; i++) {
			int64_t most_ms = (int64_t)SHARES_CREDIT_MS * weights / f.slots + 2 * 5500;
			if (f.first_ms[i] < 0 || f.longest_wait_ms[i] > most_ms)
				fail_msg("round %u: owner %d waited %" PRId64 " ms", round, i,
					 f.longest_wait_ms[i]);
		}
		/* In the long run priority takes nothing from anybody, but for the credit. */
		check_shares(&f, f.served_ms, 20);
		shares_release(&f.shares);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_priority_then_age),
		cmocka_unit_test(test_limits_pass_over),
		cmocka_unit_test(test_priority_is_on_credit),
		cmocka_unit_test(test_schedules),
		cmocka_unit_test(test_shares_of_time),
		cmocka_unit_test(test_who_comes_late_has_a_turn_at_once),
		cmocka_unit_test(test_nobody_starves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
