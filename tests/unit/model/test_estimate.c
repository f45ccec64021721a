/* How long runs take, and when what waits starts: single cases, properties of queues by chance, and how often the truth is in the
 * range. SLIPWAY_SCHEDULES says how many queues, SLIPWAY_SEED where they begin. */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/estimate.h"

static uint64_t seed;

static double draw(void)
{
	seed += 0x9e3779b97f4a7c15U;
	uint64_t z = seed;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return ((double)((z ^ (z >> 31)) >> 12) + .5) * 0x1p-52;
}

static int64_t below(int64_t n)
{
	return (int64_t)(draw() * (double)n);
}

static double draw_normal(void)
{
	return sqrt(-2 * log(draw())) * cos(2 * acos(-1) * draw());
}

static struct duration runs_of(size_t n, const int64_t *ms)
{
	struct duration d = { 0 };
	for (size_t i = 0; i < n; i++) {
		struct duration one = duration_of(ms[i]);
		duration_add(&d, &one, DURATION_KEEP);
	}
	return d;
}

static struct duration alike(int64_t n, int64_t ms)
{
	struct duration one = duration_of(ms), d = { 0 };
	for (int64_t i = 0; i < n; i++)
		duration_add(&d, &one, DURATION_KEEP);
	return d;
}

static void check_near(double is, double ought, double part)
{
	if (fabs(is - ought) > part * fabs(ought))
		fail_msg("%g is not near %g", is, ought);
}

/* --- durations --- */

static void test_one_by_one_or_together(void **state)
{
	static const int64_t ms[] = { 1000, 4000, 2000, 500, 8000, 1500 };
	struct duration all = runs_of(6, ms), first = runs_of(2, ms), rest = runs_of(4, ms + 2);
	duration_add(&first, &rest, DURATION_KEEP);
	assert_int_equal(first.n, 6);
	check_near(first.log_mean, all.log_mean, 1e-9);
	check_near(first.log_var, all.log_var, 1e-9);
	check_near(first.mean_ms, 17000.0 / 6, 1e-9);
	check_near(first.var_ms, all.var_ms, 1e-9);
}

static void test_few_runs_give_a_wide_range(void **state)
{
	struct duration one = alike(1, 10000), many = alike(30, 10000);
	struct span few = duration_span(&one, 0), sure = duration_span(&many, 0);
	check_near((double)few.likely_ms, 10000, .01);
	assert_in_range(few.low_ms, 4000, 7500);
	assert_in_range(few.high_ms, 13000, 25000);
	assert_in_range(sure.low_ms, 8500, 9900);
	assert_in_range(sure.high_ms, 10100, 11500);
}

static void test_what_is_known_follows_a_change(void **state)
{
	struct duration d = alike(1000, 10000), newer = alike(1, 60000);
	for (int i = 0; i < 2 * DURATION_KEEP; i++)
		duration_add(&d, &newer, DURATION_KEEP);
	struct span s = duration_span(&d, 0);
	assert_true(s.likely_ms > 40000);
	assert_true(s.high_ms > 60000);
	check_near(d.mean_ms, 60000, .2);
}

/* Whatever it has taken, it ends later, and the longer it takes the later. */
static void test_a_run_past_its_time_still_ends_later(void **state)
{
	static const double spreads[] = { 0, .01, 1, 9 };
	for (size_t i = 0; i < sizeof spreads / sizeof spreads[0]; i++) {
		struct duration d = alike(50, 10000);
		int64_t before = 0;
		d.log_var = spreads[i];
		for (double at = 1; at < 1e9; at *= 1.3) {
			struct span s = duration_span(&d, (int64_t)at);
			assert_true(s.low_ms >= (int64_t)at);
			assert_true(s.likely_ms >= s.low_ms && s.high_ms >= s.likely_ms);
			assert_true(s.high_ms > (int64_t)at);
			assert_true(s.likely_ms >= before);
			before = s.likely_ms;
		}
	}
	/* Three times as long as ever: nobody knows, but not at once. */
	struct duration d = alike(50, 10000);
	struct span s = duration_span(&d, 30000);
	assert_in_range(s.likely_ms, 36000, 70000);
	assert_true(s.high_ms > 60000);
}

static void test_extremes(void **state)
{
	struct duration none = duration_of(-5), most = duration_of(INT64_MAX);
	struct span s = duration_span(&none, 0);
	assert_true(s.low_ms >= 0 && s.high_ms >= 1);
	most.log_var = 100;
	s = duration_span(&most, INT32_MAX);
	assert_true(s.low_ms >= INT32_MAX && s.high_ms < INT64_MAX / 1000);
	struct duration nothing = { 0 };
	duration_add(&most, &nothing, DURATION_KEEP);
	assert_int_equal(most.n, 1);
}

/* Eight of ten runs are in the range that the runs before them gave, however far they spread, and from the first runs on. */
static void test_the_range_holds_what_it_says(void **state)
{
	static const struct {
		double spread;
		int known, least, most; /* of a hundred */
	} cases[] = {
		{ .05, 1, 80, 100 }, { .3, 1, 65, 95 }, { .3, 5, 72, 92 }, { .3, 30, 74, 88 },
		{ 1, 2, 40, 85 },    { 1, 5, 58, 85 },	{ 1, 30, 73, 86 }, { 2, 30, 72, 86 },
	};
	enum { TRIES = 4000 };
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		int within = 0;
		for (int i = 0; i < TRIES; i++) {
			struct duration d = { 0 };
			for (int k = 0; k < cases[c].known; k++) {
				struct duration one = duration_of(
					(int64_t)exp(11 + cases[c].spread * draw_normal()));
				duration_add(&d, &one, DURATION_KEEP);
			}
			struct span s = duration_span(&d, 0);
			int64_t came = (int64_t)exp(11 + cases[c].spread * draw_normal());
			within += s.low_ms <= came && came <= s.high_ms;
		}
		int part = within * 100 / TRIES;
		if (part < cases[c].least || part > cases[c].most)
			fail_msg("spread %g, %d known: %d of 100", cases[c].spread, cases[c].known, part);
	}
}

static void test_names(void **state)
{
	char name[JOB_NAME_MAX + 1], lengthy[JOB_NAME_MAX + 50];
	duration_name(KIND_BUILD, "hello_2.10-3", name);
	assert_string_equal(name, "hello");
	duration_name(KIND_COMMAND, "hello_2.10-3", name);
	assert_string_equal(name, "hello_2.10-3");
	memset(lengthy, 'x', sizeof lengthy);
	lengthy[sizeof lengthy - 1] = '\0';
	duration_name(KIND_COMMAND, lengthy, name);
	assert_int_equal(strlen(name), JOB_NAME_MAX);
}

/* --- queues --- */

static void test_a_free_slot_is_now(void **state)
{
	struct estimate_queue q = { .slots = 2, .usual = alike(9, 5000), .own = alike(9, 5000) };
	struct estimate e;
	struct estimate_run one = { alike(9, 5000), 100 };
	q.running = &one;
	q.running_len = 1;
	q.running_n = 1;
	estimate_play(&q, &e);
	assert_int_equal(e.start.low_ms, 0);
	assert_int_equal(e.start.high_ms, 0);
	check_near((double)e.end.likely_ms, 5000, .1);
}

/* One runs for 10 of its 60 s, three wait before it, one slot: 50 + 3 * 60. */
static void test_a_line(void **state)
{
	struct estimate_run running = { alike(30, 60000), 10000 };
	struct duration ahead[] = { alike(30, 60000), alike(30, 60000), alike(30, 60000) };
	struct estimate_queue q = { .slots = 1,
				    .running = &running,
				    .running_len = 1,
				    .running_n = 1,
				    .ahead = ahead,
				    .ahead_len = 3,
				    .usual = alike(30, 60000),
				    .own = alike(30, 120000) };
	struct estimate e, two;
	estimate_play(&q, &e);
	check_near((double)e.start.likely_ms, 230000, .03);
	check_near((double)e.end.likely_ms, 350000, .03);
	assert_in_range(e.start.low_ms, 190000, 229000);
	assert_in_range(e.start.high_ms, 231000, 270000);
	/* Two slots, both taken: half of it. */
	struct estimate_run both[] = { running, running };
	q.running = both;
	q.slots = 2;
	q.running_len = 2;
	q.running_n = 2;
	estimate_play(&q, &two);
	assert_in_range(two.start.likely_ms, 90000, 125000);
}

/* Nobody walks along a million, and they take as long as they take together. */
static void test_a_million_ahead(void **state)
{
	struct duration usual = alike(200, 100);
	struct estimate_queue q = {
		.slots = 100, .ahead_more = 1000000, .usual = usual, .own = alike(3, 60000)
	};
	struct estimate e;
	estimate_play(&q, &e);
	check_near((double)e.start.likely_ms, 1000000.0, .1);
	assert_true(e.start.low_ms < 950000 && e.start.high_ms > 1050000);
}

/* Ten thousand slots are looked at by a part of them. */
static void test_a_large_farm(void **state)
{
	struct estimate_run *running = calloc(ESTIMATE_ONES, sizeof *running);
	assert_non_null(running);
	for (int i = 0; i < ESTIMATE_ONES; i++)
		running[i] = (struct estimate_run){ alike(30, 100000), below(90000) };
	struct estimate_queue q = { .slots = 10000,
				    .running = running,
				    .running_len = ESTIMATE_ONES,
				    .running_n = 10000,
				    .ahead_more = 100000,
				    .usual = alike(30, 100000),
				    .own = alike(30, 1000) };
	struct estimate e;
	estimate_play(&q, &e);
	check_near((double)e.start.likely_ms, 1000000, .2);
	/* Most run here and a few slots are free. */
	q.running_n = 9000;
	q.ahead_more = 0;
	estimate_play(&q, &e);
	assert_int_equal(e.start.high_ms, 0);
	free(running);
}

static void test_turns_of_others_widen_it(void **state)
{
	struct duration usual = alike(30, 10000);
	struct estimate_queue q = { .slots = 1, .usual = usual, .own = usual, .ahead_more = 5 };
	struct estimate alone, turns;
	estimate_play(&q, &alone);
	q.ahead_perhaps = 6;
	estimate_play(&q, &turns);
	assert_true(turns.start.high_ms > alone.start.high_ms + 40000);
	assert_true(turns.start.low_ms < alone.start.low_ms + 20000);
}

/* --- queues by chance --- */

enum { ROOM = 40 };

static struct duration some_duration(void)
{
	struct duration d = { 0 };
	for (int64_t n = below(6); n >= 0; n--) {
		struct duration one = duration_of((int64_t)exp(draw() * 16));
		duration_add(&d, &one, DURATION_KEEP);
	}
	return d;
}

static struct estimate_queue some_queue(struct estimate_run *running, struct duration *ahead)
{
	struct estimate_queue q = { .slots = 1 + below(12),
				    .usual = some_duration(),
				    .own = some_duration() };
	q.running_len = (size_t)below(q.slots + 3);
	q.running_n = (int64_t)q.running_len;
	q.ahead_len = (size_t)below(ROOM - 1);
	q.ahead_more = draw() < .5 ? 0 : (int64_t)exp(draw() * 12);
	q.ahead_perhaps = draw() < .5 ? 0 : below(30);
	for (size_t i = 0; i < ROOM; i++) {
		running[i] = (struct estimate_run){ some_duration(), (int64_t)exp(draw() * 17) };
		if (draw() < .1)
			running[i].took.n = 0;
		ahead[i] = some_duration();
	}
	q.running = running;
	q.ahead = ahead;
	return q;
}

static void check_order(const struct span *s)
{
	assert_true(s->low_ms >= 0);
	assert_true(s->low_ms <= s->likely_ms && s->likely_ms <= s->high_ms);
}

static void check_not_before(const struct span *later, const struct span *sooner)
{
	assert_true(later->low_ms >= sooner->low_ms);
	assert_true(later->likely_ms >= sooner->likely_ms);
	assert_true(later->high_ms >= sooner->high_ms);
}

static void check_queue(struct estimate_queue *q)
{
	struct estimate e, other;
	estimate_play(q, &e);
	check_order(&e.start);
	check_order(&e.end);
	check_not_before(&e.end, &e.start);
	struct estimate_queue changed = *q;
	changed.ahead_more++;
	estimate_play(&changed, &other);
	check_not_before(&other.start, &e.start);
	changed = *q;
	changed.ahead_perhaps += 1 + below(20);
	estimate_play(&changed, &other);
	check_not_before(&other.start, &e.start);
	changed = *q;
	changed.slots++;
	estimate_play(&changed, &other);
	check_not_before(&e.start, &other.start);
	changed = *q;
	changed.running_len++;
	changed.running_n++;
	estimate_play(&changed, &other);
	check_not_before(&other.start, &e.start);
	/* The same again is the same. */
	estimate_play(q, &other);
	assert_memory_equal(&other, &e, sizeof e);
}

static void test_properties(void **state)
{
	struct estimate_run running[ROOM];
	struct duration ahead[ROOM];
	const char *n = getenv("SLIPWAY_SCHEDULES");
	for (long i = 0, last = n ? strtol(n, NULL, 10) / 1000 + 1 : 400; i < last; i++) {
		struct estimate_queue q = some_queue(running, ahead);
		check_queue(&q);
	}
}

/* A farm as it would go on: the truth is in the range eight times of ten, or about. */
static void test_the_range_of_starts_holds_what_it_says(void **state)
{
	enum { TRIES = 1500, SLOTS = 3, AHEAD = 7 };
	const double spread = .5;
	struct duration d = { 0 };
	int within = 0;
	for (int i = 0; i < 30; i++) {
		struct duration one = duration_of((int64_t)exp(11 + spread * draw_normal()));
		duration_add(&d, &one, 0);
	}
	d.log_mean = 11;
	d.log_var = spread * spread;
	for (int t = 0; t < TRIES; t++) {
		struct estimate_run running[SLOTS];
		struct duration ahead[AHEAD];
		double free_at[SLOTS];
		for (int i = 0; i < SLOTS; i++) {
			double whole = exp(11 + spread * draw_normal()), at = draw() * whole;
			running[i] = (struct estimate_run){ d, (int64_t)at };
			free_at[i] = whole - at;
		}
		for (int i = 0; i <= AHEAD; i++) {
			int first = 0;
			for (int k = 1; k < SLOTS; k++)
				first = free_at[k] < free_at[first] ? k : first;
			if (i < AHEAD) {
				ahead[i] = d;
				free_at[first] += exp(11 + spread * draw_normal());
				continue;
			}
			struct estimate_queue q = { .slots = SLOTS,
						    .running = running,
						    .running_len = SLOTS,
						    .running_n = SLOTS,
						    .ahead = ahead,
						    .ahead_len = AHEAD,
						    .usual = d,
						    .own = d };
			struct estimate e;
			estimate_play(&q, &e);
			within += (double)e.start.low_ms <= free_at[first] &&
				  free_at[first] <= (double)e.start.high_ms;
		}
	}
	assert_in_range(within * 100 / TRIES, 68, 92);
}

/* --- how good they were --- */

static void test_forecasts(void **state)
{
	struct forecast f = { 0 };
	const struct span said = { 8000, 10000, 15000 };
	struct forecast right = forecast_of(&said, 12000), wrong = forecast_of(&said, 20000);
	assert_true(right.within == 1 && wrong.within == 0);
	check_near(exp(wrong.log_off), 2, .001);
	forecast_add(&f, &right);
	forecast_add(&f, &wrong);
	assert_int_equal(f.n, 2);
	check_near(f.within, .5, .001);
	for (int i = 0; i < 10000; i++)
		forecast_add(&f, &right);
	assert_true(f.within > .99);
	for (int i = 0; i < 2 * FORECAST_KEEP; i++)
		forecast_add(&f, &wrong);
	assert_true(f.within < .2);
	/* A moment more or less is not an error. */
	const struct span moment = { 1, 2, 3 };
	struct forecast off = forecast_of(&moment, 400);
	check_near(exp(off.log_off), 1, .001);
	assert_true(off.within == 1);
}

int main(void)
{
	const char *from = getenv("SLIPWAY_SEED");
	seed = from ? strtoull(from, NULL, 10) : 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_by_one_or_together),
		cmocka_unit_test(test_few_runs_give_a_wide_range),
		cmocka_unit_test(test_what_is_known_follows_a_change),
		cmocka_unit_test(test_a_run_past_its_time_still_ends_later),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_the_range_holds_what_it_says),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_a_free_slot_is_now),
		cmocka_unit_test(test_a_line),
		cmocka_unit_test(test_a_million_ahead),
		cmocka_unit_test(test_a_large_farm),
		cmocka_unit_test(test_turns_of_others_widen_it),
		cmocka_unit_test(test_properties),
		cmocka_unit_test(test_the_range_of_starts_holds_what_it_says),
		cmocka_unit_test(test_forecasts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
