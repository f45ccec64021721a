#include "model/estimate.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { LOW = ESTIMATE_PLAYS / 10, LIKELY = ESTIMATE_PLAYS / 2, HIGH = ESTIMATE_PLAYS - 1 - LOW };

#define MEAN_DEVIATION .15 /* how far the mean of what comes may be from that of what was, as a part of it */
#define UNKNOWN_MS \
	60000 /* a run of which nothing is known takes this long or about as long as it has taken, */
#define UNKNOWN_VAR 1.5 /* give or take a lot */

/* Streams of chance: what happens to one place does not change what happens to the others. */
enum { CHANCE_RUNNING = 1, CHANCE_AHEAD, CHANCE_PERHAPS, CHANCE_MEAN, CHANCE_OWN };

/* splitmix64 of the place: in (0, 1). */
static double chance(int play, int stream, size_t at)
{
	uint64_t z = ((uint64_t)play * 8 + (uint64_t)stream) * 0x9e3779b97f4a7c15U +
		     (uint64_t)at * 0xd1342543de82ef95U;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return ((double)((z ^ (z >> 31)) >> 12) + .5) * 0x1p-52;
}

/* When each slot is free, as a heap: at[0] is the first. */
struct slots {
	double at[ESTIMATE_ONES];
	size_t len;
};

static void slots_sink(struct slots *s, size_t i)
{
	for (size_t child; (child = 2 * i + 1) < s->len; i = child) {
		if (child + 1 < s->len && s->at[child + 1] < s->at[child])
			child++;
		if (s->at[i] <= s->at[child])
			return;
		double t = s->at[i];
		s->at[i] = s->at[child];
		s->at[child] = t;
	}
}

/* What is next takes the first slot for so long. */
static void slots_take(struct slots *s, double ms)
{
	s->at[0] += ms;
	slots_sink(s, 0);
}

/* A farm too large to be looked at as a whole: of a part of it, as large as can be, with its part of what waits. */
struct scene {
	const struct estimate_queue *q;
	size_t slots, running, ahead;
	int64_t more, perhaps;
};

static struct scene scene_of(const struct estimate_queue *q)
{
	struct scene s = { .q = q, .running = q->running_len, .ahead = q->ahead_len };
	int64_t most = q->slots > q->running_n ? q->slots : q->running_n;
	double part = most > ESTIMATE_ONES ? (double)ESTIMATE_ONES / (double)most : 1;
	double slots = (double)q->slots * part;
	if (s.running > ESTIMATE_ONES)
		s.running = ESTIMATE_ONES;
	if (part < 1) {
		size_t running = (size_t)((double)q->running_n * part);
		s.running = s.running < running ? s.running : running;
		s.ahead = (size_t)((double)s.ahead * part);
	}
	s.slots = slots < 1 ? 1 : (size_t)slots;
	s.more = (int64_t)((double)q->ahead_more * part);
	s.perhaps = (int64_t)((double)q->ahead_perhaps * part);
	return s;
}

static double left_of(const struct estimate_run *r, double u)
{
	struct duration unknown = duration_of(r->elapsed_ms > UNKNOWN_MS ? r->elapsed_ms : UNKNOWN_MS);
	unknown.log_var = UNKNOWN_VAR;
	const struct duration *d = r->took.n ? &r->took : &unknown;
	return duration_quantile(d, (double)r->elapsed_ms, u) - (double)r->elapsed_ms;
}

/* What runs has a slot; what waits at a worker for one comes after it. */
static void begin(const struct scene *c, int play, struct slots *s)
{
	*s = (struct slots){ .len = c->slots };
	for (size_t i = 0; i < c->running; i++)
		slots_take(s, left_of(&c->q->running[i], chance(play, CHANCE_RUNNING, i)));
}

/* So many runs that are as usual, shared out over all slots. */
static double many_ms(const struct scene *c, int play, int64_t n)
{
	const struct duration *d = &c->q->usual;
	double runs = (double)n;
	if (n < 1)
		return 0;
	/* Their mean is off by what the mean may have changed, and by chance, the less the more there are. */
	double part = d->mean_ms > 0 ? d->var_ms / (d->mean_ms * d->mean_ms) / runs : 0;
	double z = 2 * sqrt(3) * (chance(play, CHANCE_MEAN, 0) - .5);
	double factor = fmax(.1, 1 + z * sqrt(MEAN_DEVIATION * MEAN_DEVIATION + part));
	return runs * d->mean_ms * factor / (double)c->slots;
}

static double play_start(const struct scene *c, int play)
{
	struct slots s;
	begin(c, play, &s);
	for (size_t i = 0; i < c->ahead; i++) {
		const struct duration *d = c->q->ahead[i].n ? &c->q->ahead[i] : &c->q->usual;
		slots_take(&s, duration_quantile(d, 0, chance(play, CHANCE_AHEAD, i)));
	}
	int64_t turns = (int64_t)(chance(play, CHANCE_PERHAPS, 0) * (double)(c->perhaps + 1));
	int64_t more = c->more + turns;
	size_t ones = more > ESTIMATE_ONES ? ESTIMATE_ONES : (size_t)more;
	for (size_t i = 0; i < ones; i++)
		slots_take(&s, duration_quantile(&c->q->usual, 0, chance(play, CHANCE_AHEAD, c->ahead + i)));
	return s.at[0] + many_ms(c, play, more - (int64_t)ones);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static struct span span_of(double *at)
{
	qsort(at, ESTIMATE_PLAYS, sizeof *at, compare);
	return (struct span){ (int64_t)at[LOW], (int64_t)at[LIKELY], (int64_t)ceil(at[HIGH]) };
}

void estimate_play(const struct estimate_queue *q, struct estimate *out)
{
	const struct scene c = scene_of(q);
	double starts[ESTIMATE_PLAYS], ends[ESTIMATE_PLAYS];
	for (int i = 0; i < ESTIMATE_PLAYS; i++) {
		starts[i] = play_start(&c, i);
		ends[i] = starts[i] + duration_quantile(&q->own, 0, chance(i, CHANCE_OWN, 0));
	}
	out->start = span_of(starts);
	out->end = span_of(ends);
}

/* What is less than a moment is one. */
static double moment(int64_t ms)
{
	return fmax((double)ms, FORECAST_LEAST_MS);
}

struct forecast forecast_of(const struct span *said, int64_t came_ms)
{
	double came = moment(came_ms);
	return (struct forecast){ .n = 1,
				  .within = moment(said->low_ms) <= came && came <= moment(said->high_ms),
				  .log_off = fabs(log(came / moment(said->likely_ms))) };
}

void forecast_add(struct forecast *f, const struct forecast *newer)
{
	double weight = f->n >= FORECAST_KEEP ? FORECAST_KEEP - 1 : (double)f->n, more = (double)newer->n;
	if (!newer->n)
		return;
	f->within = (weight * f->within + more * newer->within) / (weight + more);
	f->log_off = (weight * f->log_off + more * newer->log_off) / (weight + more);
	f->n += newer->n;
}
