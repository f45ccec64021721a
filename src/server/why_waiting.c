/* Why a job waits: nobody takes its sort, a limit, its turn. And, for who submits one, that nobody would take it. */
#include "server/why_priv.h"

#include <inttypes.h>

#include "base/clock.h"
#include "server/estimates.h"
#include "server/feed_status.h"
#include "server/routes_priv.h"

enum {
	WHY_WORKERS_MAX = 8,
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

/* "3 jobs are ahead of it". */
static const char *ahead_text(struct why *y, const struct place *p)
{
	if (p->ahead >= PLACE_CAP)
		return arena_printf(y->arena, "more than %d jobs are ahead of it", PLACE_CAP);
	return arena_printf(y->arena, "%" PRId64 " job%s ahead of it", p->ahead,
			    p->ahead == 1 ? " is" : "s are");
}

static void explain_place(struct why *y, const struct job *j, const struct outlook *o)
{
	const struct place *p = &o->place;
	const char *in = o->has_start ? outlook_words(&o->start, tx_now_ms(y->tx), y->arena) : NULL;
	bool is_now = o->has_start && o->start.high_ms <= tx_now_ms(y->tx);
	const char *when = is_now ? "at once" : in ? arena_printf(y->arena, "in %s", in) : NULL;
	if (!p->ahead)
		y->summary = when ? arena_printf(y->arena, "it is next: it starts %s", when)
				  : "it is next: it starts when a slot becomes free";
	else
		y->summary = arena_printf(y->arena, "it waits for its turn: %s%s%s", ahead_text(y, p),
					  when ? ", and it starts " : "", when ? when : "");
	if (p->others)
		why_cause(y, 0,
			  arena_printf(y->arena, "%s%d other owner%s ha%s work of this sort: they take turns",
				       p->others == PLACE_OWNERS_CAP ? "at least " : "", p->others,
				       p->others == 1 ? "" : "s", p->others == 1 ? "s" : "ve"));
	y->next = p->ahead ? arena_printf(y->arena, "slipway priority %" PRId64 " %d, or more slots", j->id,
					  j->priority + 1)
			   : "more slots";
}

static int explain_position(struct why *y, const struct job *j, const struct fit *f, struct err *e)
{
	struct outlook o;
	if (outlook_find(y->server, y->tx, j, y->arena, &o, e))
		return -1;
	explain_place(y, j, &o);
	why_cause(y, 0,
		  arena_printf(y->arena, "%" PRId64 " of %" PRId64 " slots that could run it are busy",
			       f->running, f->slots));
	if (!o.has_takes)
		why_cause(
			y, 0,
			"no job of its sort has succeeded yet: nobody knows when it starts and how long it takes");
	else
		why_cause(y, 0,
			  arena_printf(y->arena, "it then takes %s, by %s",
				       outlook_words(&o.takes, 0, y->arena), o.basis));
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

int why_waiting(struct why *y, const struct job *j, struct err *e)
{
	const struct lane l = lane_of_job(j);
	struct fit f;
	bool is_held = false;
	if (fit_find(y->server, y->tx, &l, y->arena, &f, e) || why_losses(y, j, e))
		return -1;
	if (!f.fits) {
		explain_misfits(y, &l, f.workers, f.n);
		return 0;
	}
	if (explain_limits(y, j, &is_held, e))
		return -1;
	return is_held ? 0 : explain_position(y, j, &f, e);
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
		if (fit_find(s, tx, &lanes[i], a, &f, e))
			return -1;
		/* A server that has just begun has not heard of its workers yet. */
		if (f.fits || (!f.online && now_ms - s->started_boot_ms < s->lease_ms))
			return idmap_set(&s->fitting, lane, (void *)(intptr_t)now_ms, e);
		explain_misfits(&y, &lanes[i], f.workers, f.n);
		*warning = warning_text(&y);
	}
	return 0;
}
