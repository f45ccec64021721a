/* Why a job waits: nobody takes its sort, a limit, its turn. And, for who submits one, that nobody would take it. */
#include "server/why_priv.h"

#include <inttypes.h>

#include "base/clock.h"
#include "server/feed_status.h"
#include "server/routes_priv.h"

enum {
	WHY_WORKERS_MAX = 8,
	WHY_POSITION_CAP = 1000,
	WHY_SAMPLE = 50,
	WHY_OTHERS_CAP = 20,
	FITTING_MS = 5000, /* a lane that somebody takes is not asked for again */
};

static const char *lane_text(struct why *y, const struct lane *l)
{
	return arena_printf(y->arena, "kind %s, isolation %s%s%s%s%s%s%s", kind_name(l->kind),
			    isolation_name(l->isolation), l->arch[0] ? ", architecture " : "", l->arch,
			    l->tags[0] ? ", tags " : "", l->tags, l->zone[0] ? ", trust zone " : "", l->zone);
}

/* Nobody fits: who comes how close, and what would help. */
static void explain_misfits(struct why *y, const struct lane *l, const struct worker *workers, size_t n)
{
	y->summary = arena_printf(y->arena, "no worker takes jobs of this sort (%s)", lane_text(y, l));
	y->next = arena_printf(y->arena, "start a worker that offers %s", lane_text(y, l));
	if (n == 0)
		y->next = "start a worker: slipway serve runs one with --slots 1 or more";
	bool has_simple = false;
	for (size_t i = 0; i < n && i < WHY_WORKERS_MAX; i++) {
		enum lane_misfit m = lane_match(l, &workers[i]);
		bool is_out = m == LANE_QUARANTINED;
		const char *more = is_out	    ? workers[i].quarantine
				   : m == LANE_DISK ? feed_disk_text(&workers[i], y->arena)
						    : "";
		why_cause(y, 0,
			  arena_printf(y->arena, "worker %s %s%s%s", workers[i].name, lane_misfit_text(m),
				       *more ? ": " : "", more));
		struct worker able = workers[i];
		able.state = WORKER_ACTIVE;
		able.quarantine = "";
		able.is_disk_low = false;
		able.is_online = true;
		if (has_simple || lane_match(l, &able) != LANE_FITS)
			continue;
		has_simple = true;
		y->next = m == LANE_STATE || is_out
				  ? arena_printf(y->arena, "slipway worker-state %s active", able.name)
			  : m == LANE_DISK
				  ? arena_printf(
					    y->arena,
					    "make room on the disk of worker %s: it then goes on by itself",
					    able.name)
				  : arena_printf(y->arena, "start the worker %s again", able.name);
	}
}

/* From how fast the newest jobs were finished; 0 = no idea. */
static int64_t estimate_ms(struct why *y, int ahead)
{
	const struct job_filter f = { .states = 1U << STATE_SUCCEEDED, .limit = WHY_SAMPLE };
	struct job *jobs;
	size_t n;
	if (jobs_list(y->tx, &f, y->arena, &jobs, &n, NULL) || n < 5)
		return 0;
	int64_t span_ms = tx_now_ms(y->tx) - jobs[n - 1].finished_ms;
	return span_ms > 0 && span_ms < 3600 * 1000 ? span_ms / (int64_t)n * (ahead + 1) : 0;
}

/* Others have work waiting in its lane too. */
static int explain_turns(struct why *y, const struct job *j, struct err *e)
{
	int others;
	if (jobs_other_owners(y->tx, j, WHY_OTHERS_CAP, &others, e))
		return -1;
	if (others)
		why_cause(y, 0,
			  arena_printf(y->arena, "%s%d other owner%s ha%s work of this sort: they take turns",
				       others == WHY_OTHERS_CAP ? "at least " : "", others,
				       others == 1 ? "" : "s", others == 1 ? "s" : "ve"));
	return 0;
}

static int explain_position(struct why *y, const struct job *j, int64_t slots, int64_t running, struct err *e)
{
	int ahead;
	if (jobs_position(y->tx, j, WHY_POSITION_CAP, &ahead, e))
		return -1;
	const char *count = ahead >= WHY_POSITION_CAP
				    ? arena_printf(y->arena, "more than %d jobs are", WHY_POSITION_CAP)
			    : ahead == 1 ? "1 job is"
					 : arena_printf(y->arena, "%d jobs are", ahead);
	y->summary = ahead == 0 ? "it is next: it starts when a slot becomes free"
				: arena_printf(y->arena, "it waits for its turn: %s ahead of it", count);
	if (explain_turns(y, j, e))
		return -1;
	why_cause(y, 0,
		  arena_printf(y->arena, "%" PRId64 " of %" PRId64 " slots that could run it are busy",
			       running, slots));
	int64_t ms = ahead < WHY_POSITION_CAP ? estimate_ms(y, ahead) : 0;
	if (ms)
		why_cause(y, 0,
			  arena_printf(y->arena, "as fast as lately it would start about %s",
				       why_time(y, tx_now_ms(y->tx) + ms)));
	y->next = ahead ? arena_printf(y->arena, "slipway priority %" PRId64 " %d, or more slots", j->id,
				       j->priority + 1)
			: "more slots";
	return 0;
}

/* Held back by a limit, whatever workers there are. */
static int explain_limits(struct why *y, const struct job *j, bool *is_held, struct err *e)
{
	struct job_hold h;
	if (jobs_hold(y->tx, j, &h, e))
		return -1;
	bool is_bound = h.owner_running_max && h.owner_running >= h.owner_running_max;
	*is_held = h.is_gated || is_bound;
	if (h.is_gated) {
		y->summary = arena_printf(y->arena, "its limit key %s has no room: %" PRId64 " of %d run",
					  j->limit_key.name, h.key_running, j->limit_key.n);
		y->next = arena_printf(
			y->arena,
			"it starts when one of them ends, in the order of priority and age; a job submitted with "
			"--limit-key %s=%d makes room for more",
			j->limit_key.name, j->limit_key.n + 1);
		for (size_t i = 0; i < h.holders_len; i++)
			why_cause(y, h.holders[i],
				  arena_printf(y->arena, "job %" PRId64 " runs under the key", h.holders[i]));
	}
	if (is_bound) {
		const char *text = arena_printf(y->arena,
						"%" PRId64 " jobs of %s run, and no more than %d may",
						h.owner_running, j->owner, h.owner_running_max);
		why_cause(y, 0, h.is_gated ? text : NULL);
		y->summary = h.is_gated ? y->summary : text;
		y->next = h.is_gated
				  ? y->next
				  : arena_printf(y->arena,
						 "slipway admin owner %s --running %d, by an administrator",
						 j->owner, h.owner_running_max + 1);
	}
	return 0;
}

/* Whom of those that are there the lane fits. */
struct fit {
	struct worker *workers;
	size_t n;
	int64_t slots, running, fits, online;
};

static int find_fit(struct why *y, const struct lane *l, struct fit *f, struct err *e)
{
	*f = (struct fit){ 0 };
	if (workers_list(y->tx, y->arena, &f->workers, &f->n, e))
		return -1;
	for (size_t i = 0; i < f->n; i++) {
		struct worker *w = &f->workers[i];
		w->is_online = hub_is_online(y->server, w);
		f->online += w->is_online;
		if (lane_match(l, w) != LANE_FITS)
			continue;
		f->fits++;
		f->slots += w->slots;
		f->running += w->running < w->slots ? w->running : w->slots;
	}
	return 0;
}

int why_waiting(struct why *y, const struct job *j, struct err *e)
{
	const struct lane l = { .id = j->lane,
				.kind = j->kind,
				.isolation = j->isolation,
				.arch = j->arch,
				.tags = j->tags,
				.zone = j->zone };
	struct fit f;
	bool is_held = false;
	if (find_fit(y, &l, &f, e) || why_losses(y, j, e))
		return -1;
	if (!f.fits) {
		explain_misfits(y, &l, f.workers, f.n);
		return 0;
	}
	if (explain_limits(y, j, &is_held, e))
		return -1;
	return is_held ? 0 : explain_position(y, j, f.slots, f.running, e);
}

/* --- at submission --- */

static const char *warning_text(struct why *y)
{
	const char *text = y->summary;
	for (size_t i = 0; text && i < y->causes_len; i++)
		text = arena_printf(y->arena, "%s%s %s", text, i ? ";" : ":", y->causes[i].text);
	return text;
}

int why_nobody(struct server *s, struct tx *tx, int64_t lane, struct arena *a, const char **warning,
	       struct err *e)
{
	struct why y = { .server = s, .tx = tx, .arena = a };
	int64_t now_ms = clock_boot_ms(), known_ms = (int64_t)(intptr_t)idmap_find(&s->fitting, lane);
	struct lane *lanes;
	struct fit f;
	size_t n;
	*warning = NULL;
	if (known_ms && now_ms - known_ms < FITTING_MS)
		return 0;
	if (lanes_list(tx, a, &lanes, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (lanes[i].id != lane)
			continue;
		if (find_fit(&y, &lanes[i], &f, e))
			return -1;
		/* A server that has just begun has not heard of its workers yet. */
		if (f.fits || (!f.online && now_ms - s->started_boot_ms < s->lease_ms))
			return idmap_set(&s->fitting, lane, (void *)(intptr_t)now_ms, e);
		explain_misfits(&y, &lanes[i], f.workers, f.n);
		*warning = warning_text(&y);
	}
	return 0;
}
