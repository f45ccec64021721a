#include "server/estimates.h"

#include <inttypes.h>
#include <math.h>

#include "server/server_priv.h"
#include "store/durations.h"
#include "store/jobs.h"
#include "store/records.h"
#include "text/json.h"

enum {
	WORKERS_MAX = ESTIMATE_ONES, /* whose jobs are looked at */
	LANES_MAX = 32,		     /* that share workers with the job's */
	AHEAD_ONES = 64,	     /* looked at one by one */
};

/* --- who fits --- */

struct lane lane_of_job(const struct job *j)
{
	return (struct lane){ .id = j->lane,
			      .kind = j->kind,
			      .isolation = j->isolation,
			      .arch = j->arch,
			      .tags = j->tags,
			      .zone = j->zone };
}

int fit_find(struct server *s, struct tx *tx, const struct lane *l, struct arena *a, struct fit *out,
	     struct err *e)
{
	*out = (struct fit){ 0 };
	if (workers_list(tx, a, &out->workers, &out->n, e))
		return -1;
	for (size_t i = 0; i < out->n; i++) {
		struct worker *w = &out->workers[i];
		w->is_online = hub_is_online(s, w);
		out->online += w->is_online;
		if (lane_match(l, w) != LANE_FITS)
			continue;
		out->fits++;
		out->slots += w->slots;
		out->running += w->running < w->slots ? w->running : w->slots;
	}
	return 0;
}

/* --- what is known of the queue --- */

struct look {
	struct tx *tx;
	struct arena *arena;
	const struct job *job;
	struct lane lane;
	struct fit fit;
	struct durations *durations;
	struct estimate_run *running;
	struct duration *ahead;
	struct estimate_queue queue;
	struct place *place;
};

static int look_at_running(struct look *k, struct err *e)
{
	int looked_at = 0;
	for (size_t i = 0; i < k->fit.n; i++) {
		const struct worker *w = &k->fit.workers[i];
		if (lane_match(&k->lane, w) != LANE_FITS || !w->running)
			continue;
		k->queue.running_n += w->running;
		if (looked_at++ < WORKERS_MAX && durations_running(k->durations, w->id, k->running,
								   ESTIMATE_ONES, &k->queue.running_len, e))
			return -1;
	}
	/* What has ended meanwhile is not there. */
	if (k->queue.running_len < ESTIMATE_ONES && k->queue.running_n < ESTIMATE_ONES)
		k->queue.running_n = (int64_t)k->queue.running_len;
	return 0;
}

/* The job, if it waited in that lane. */
static int look_at_lane(struct look *k, int64_t lane, struct err *e)
{
	struct job j = *k->job;
	struct place *p = k->place;
	int ahead, owners = 0;
	int64_t jobs = 0;
	j.lane = lane;
	if (jobs_position(k->tx, &j, PLACE_CAP, &ahead, e) ||
	    (ahead && durations_ahead(k->durations, &j, k->ahead, AHEAD_ONES, &k->queue.ahead_len, e)) ||
	    (p->others < PLACE_OWNERS_CAP &&
	     jobs_other_owners(k->tx, &j, PLACE_OWNERS_CAP - p->others, ahead + 1, &owners, &jobs, e)))
		return -1;
	p->ahead += ahead;
	p->others += owners;
	p->perhaps += jobs;
	/* More than are counted: any number of those that wait. */
	if (ahead < PLACE_CAP)
		return 0;
	struct tally *tallies;
	size_t n;
	if (jobs_tallies(k->tx, k->arena, &tallies, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (tallies[i].kind == j.kind && tallies[i].state == STATE_WAITING && tallies[i].n > ahead)
			p->perhaps += tallies[i].n - ahead;
	return 0;
}

static bool shares_a_worker(const struct look *k, const struct lane *l)
{
	for (size_t i = 0; i < k->fit.n; i++)
		if (lane_match(l, &k->fit.workers[i]) == LANE_FITS &&
		    lane_match(&k->lane, &k->fit.workers[i]) == LANE_FITS)
			return true;
	return false;
}

static int look_at_waiting(struct look *k, struct err *e)
{
	struct lane *lanes;
	size_t n, others = 0;
	if (lanes_list(k->tx, k->arena, &lanes, &n, e) || look_at_lane(k, k->lane.id, e))
		return -1;
	for (size_t i = 0; i < n && others < LANES_MAX; i++) {
		if (lanes[i].id == k->lane.id || !shares_a_worker(k, &lanes[i]))
			continue;
		others++;
		if (look_at_lane(k, lanes[i].id, e))
			return -1;
	}
	k->queue.ahead_more = k->place->ahead - (int64_t)k->queue.ahead_len;
	k->queue.ahead_perhaps = k->place->perhaps;
	return 0;
}

/* --- one job --- */

static void shift(struct span *s, int64_t ms)
{
	s->low_ms += ms;
	s->likely_ms += ms;
	s->high_ms += ms;
}

static void note_known(struct outlook *o, const struct duration_known *k, struct arena *a)
{
	if (!k->took.n)
		return;
	o->has_takes = true;
	o->takes = duration_span(&k->took, 0);
	o->basis = arena_printf(a, "%" PRId64 " run%s of %s", k->took.n, k->took.n == 1 ? "" : "s",
				k->is_lane ? "its sort" : k->name);
}

static bool is_held(const struct job_hold *h)
{
	return h->is_gated || (h->owner_running_max && h->owner_running >= h->owner_running_max);
}

static int find_start(struct server *s, struct look *k, const struct duration_known *known, struct outlook *o,
		      struct err *e)
{
	struct job_hold hold;
	struct estimate found;
	k->lane = lane_of_job(k->job);
	k->place = &o->place;
	k->running = arena_array(k->arena, ESTIMATE_ONES, sizeof *k->running);
	k->ahead = arena_array(k->arena, AHEAD_ONES, sizeof *k->ahead);
	if (!k->running || !k->ahead)
		return err_set(e, ERR_NOMEM, "no memory for an estimate");
	if (fit_find(s, k->tx, &k->lane, k->arena, &k->fit, e) || jobs_hold(k->tx, k->job, &hold, e))
		return -1;
	if (!k->fit.slots || is_held(&hold))
		return 0;
	if (look_at_running(k, e) || look_at_waiting(k, e) ||
	    durations_lane(k->durations, k->lane.id, &k->queue.usual, e))
		return -1;
	if (!known->took.n)
		return 0;
	k->queue.slots = k->fit.slots;
	k->queue.running = k->running;
	k->queue.ahead = k->ahead;
	k->queue.own = known->took;
	if (!k->queue.usual.n)
		k->queue.usual = known->took;
	estimate_play(&k->queue, &found);
	o->has_start = o->has_end = true;
	o->start = found.start;
	o->end = found.end;
	shift(&o->start, tx_now_ms(k->tx));
	shift(&o->end, tx_now_ms(k->tx));
	forecasts_told(k->tx, k->job->id, &o->start);
	return 0;
}

int outlook_find(struct server *s, struct tx *tx, const struct job *j, struct arena *a, struct outlook *out,
		 struct err *e)
{
	struct look k = { .tx = tx, .arena = a, .job = j };
	struct duration_known known;
	*out = (struct outlook){ .has_start = false };
	if (j->state != STATE_WAITING && !state_is_leased(j->state))
		return 0;
	k.durations = durations_new(tx, a);
	if (!k.durations)
		return err_set(e, ERR_NOMEM, "no memory for an estimate");
	if (durations_find(k.durations, j, &known, e))
		return -1;
	note_known(out, &known, a);
	if (j->state == STATE_WAITING)
		return find_start(s, &k, &known, out, e);
	if (!known.took.n)
		return 0;
	int64_t elapsed_ms = tx_now_ms(tx) - j->started_ms;
	out->has_end = true;
	out->end = duration_span(&known.took, elapsed_ms > 0 ? elapsed_ms : 0);
	shift(&out->end, j->started_ms);
	return 0;
}

/* --- as JSON and in words --- */

static void render_span(struct json_writer *w, const char *key, bool is_known, const struct span *s)
{
	jw_key(w, key);
	if (!is_known) {
		jw_null(w);
		return;
	}
	jw_begin_object(w);
	jw_ktime(w, "low", s->low_ms);
	jw_ktime(w, "likely", s->likely_ms);
	jw_ktime(w, "high", s->high_ms);
	jw_end_object(w);
}

void outlook_render(const struct outlook *o, struct json_writer *w)
{
	if (!o->has_end) {
		jw_null(w);
		return;
	}
	jw_begin_object(w);
	render_span(w, "start", o->has_start, &o->start);
	render_span(w, "end", true, &o->end);
	jw_kstr(w, "basis", o->basis);
	jw_end_object(w);
}

/* The unit in which the likely value has two digits or so. */
static const struct {
	int64_t ms;
	const char *name;
} units[] = { { 24 * 3600 * 1000, "d" }, { 3600 * 1000, "h" }, { 60 * 1000, "min" }, { 1000, "s" } };

const char *outlook_words(const struct span *at, int64_t from_ms, struct arena *a)
{
	struct span s = *at;
	size_t u = 0;
	shift(&s, -from_ms);
	if (s.high_ms <= 1000)
		return "less than 1 s";
	while (u + 1 < sizeof units / sizeof units[0] && s.likely_ms < 2 * units[u].ms)
		u++;
	int64_t unit = units[u].ms, low = s.low_ms > 0 ? s.low_ms / unit : 0,
		likely = (s.likely_ms + unit / 2) / unit, high = (s.high_ms + unit - 1) / unit;
	if (low == high)
		return arena_printf(a, "about %" PRId64 " %s", likely, units[u].name);
	return arena_printf(a, "about %" PRId64 " %s (%" PRId64 "–%" PRId64 " %s)", likely, units[u].name,
			    low, high, units[u].name);
}

int outlook_render_forecasts(struct tx *tx, struct json_writer *w, struct err *e)
{
	static const char *const names[] = { [FORECAST_START] = "starts", [FORECAST_RUN] = "runs" };
	jw_begin_object(w);
	for (int what = FORECAST_START; what <= FORECAST_LAST; what++) {
		struct forecast f;
		if (forecasts_get(tx, (enum forecast_what)what, &f, e))
			return -1;
		jw_key(w, names[what]);
		if (!f.n) {
			jw_null(w);
			continue;
		}
		jw_begin_object(w);
		jw_kint(w, "compared", f.n);
		jw_kint(w, "within_percent", llround(f.within * 100));
		jw_kint(w, "off_percent", llround((exp(f.log_off) - 1) * 100));
		jw_end_object(w);
	}
	jw_end_object(w);
	return 0;
}
