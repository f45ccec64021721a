/* What the end of an attempt means: the kind's word, follow-up jobs, the target's image, the record; all in the
 * task's savepoint, so all or nothing. */
#include <string.h>

#include "base/log.h"
#include "kind/kind.h"
#include "server/births.h"
#include "server/feed.h"
#include "store/jobs.h"
#include "store/records.h"

struct kind_context feed_kind_context(struct server *s, const struct job_facts *f, const struct payload *p)
{
	return (struct kind_context){
		.job = &f->job,
		.payload = p,
		.types = s->types,
		.target_suite = f->suite ? f->suite : "",
		.target_arch = f->arch ? f->arch : "",
		.target_image = f->image ? f->image : "",
		.build_type = f->build_type ? f->build_type : "",
		.build_source = f->build_source ? f->build_source : "",
		.recipe_text = f->recipe_text ? f->recipe_text : "",
	};
}

static int load_target(struct tx *tx, struct arena *a, struct job_facts *f, struct err *e)
{
	struct target *t = arena_alloc(a, sizeof *t);
	if (!t)
		return err_set(e, ERR_NOMEM, "no memory for a target");
	if (targets_get(tx, f->job.target, a, t, e)) {
		if (e->code != ERR_NOT_FOUND)
			return -1;
		err_clear(e);
		return 0;
	}
	f->suite = t->suite;
	f->arch = t->arch;
	f->image = t->image;
	return 0;
}

int job_facts_load(struct tx *tx, struct arena *a, struct job_facts *f, struct err *e)
{
	if (f->job.target && f->job.target[0] && load_target(tx, a, f, e))
		return -1;
	if (f->job.kind == KIND_BUILD) {
		struct build_row row = { .is_found = false };
		if (jobs_build_get(tx, f->job.id, a, &row, e))
			return -1;
		f->build_type = row.type;
		f->build_source = row.source;
	}
	if (f->job.kind == KIND_RECIPE && jobs_recipe_get(tx, f->job.id, a, &f->recipe_text, e))
		return -1;
	return 0;
}

static struct job_end end_of(const struct outcome *o)
{
	return (struct job_end){
		.job = o->job,
		.attempt = o->attempt,
		.outcome = o->outcome,
		.reason = o->reason,
		.step = o->step ? o->step : "",
		.detail = o->detail ? o->detail : "",
		.exit_code = o->exit_code,
		.signal = o->signal,
		.usage = o->usage,
		.log_bytes = o->log_bytes,
		.is_log_truncated = o->is_log_truncated,
		.log = o->log,
		.log_len = o->log_len,
		.result = o->result,
		.artifacts = o->artifacts,
		.artifacts_len = o->artifacts_len,
	};
}

static void fail_end(struct job_end *end, struct arena *a, const struct err *why)
{
	end->outcome = OUTCOME_FAILED;
	end->reason = REASON_INTERNAL;
	end->detail = arena_strdup(a, why->text);
}

static int submit_births(struct tx *tx, struct server *s, struct arena *a, const struct job *j,
			 const struct kind_effects *fx, const char *actor, struct err *e)
{
	struct job_new *news = arena_memdup(a, fx->births, fx->births_len * sizeof *news);
	struct job_birth *births = arena_array(a, fx->births_len, sizeof *births);
	if (!news || !births)
		return err_set(e, ERR_NOMEM, "no memory for follow-up jobs");
	for (size_t i = 0; i < fx->births_len; i++) {
		news[i].chain = news[i].chain ? news[i].chain : j->chain;
		news[i].owner = news[i].owner && news[i].owner[0] ? news[i].owner : j->owner;
		if (births_check_in(tx, s, &news[i], a, e))
			return err_wrap(e, "follow-up job");
	}
	return births_submit(tx, news, fx->births_len, actor, a, births, e);
}

static int record_target(struct tx *tx, const struct job *j, const struct kind_effects *fx, const char *actor,
			 struct err *e)
{
	if (fx->image) {
		if (targets_made(tx, j->target, j->id, fx->image->sha256, fx->image->size_bytes, e))
			return -1;
		return jobs_wake_depwait(tx, j->target, actor, e);
	}
	return fx->is_target_failed ? targets_made(tx, j->target, j->id, NULL, 0, e) : 0;
}

/* The kind's word. A kind that fails makes the attempt fail, not the call. */
static int ask_kind(struct tx *tx, struct server *s, struct arena *a, const struct outcome *o,
		    const char *actor, struct job_end *end, struct err *e)
{
	struct job_facts f = { .suite = "" };
	struct payload p;
	struct err why = ERR_INIT;
	if (jobs_get(tx, o->job, true, a, &f.job, e) || job_facts_load(tx, a, &f, e))
		return -1;
	const struct kind *k = kind_find(f.job.kind);
	if (!k || !k->settle)
		return 0;
	struct kind_effects fx = {
		.outcome = o->outcome, .reason = o->reason, .step = o->step, .detail = o->detail
	};
	if (payload_decode(f.job.payload, a, &p, &why)) {
		fail_end(end, a, &why);
		return 0;
	}
	struct kind_context kc = feed_kind_context(s, &f, &p);
	if (k->settle(&kc, o, a, &fx, &why) ||
	    (fx.births_len && submit_births(tx, s, a, &f.job, &fx, actor, &why))) {
		if (tx_is_undone(tx)) {
			*e = why;
			return -1;
		}
		fail_end(end, a, &why);
		return 0;
	}
	end->outcome = fx.outcome;
	end->reason = fx.reason;
	end->step = fx.step ? fx.step : "";
	end->detail = fx.detail ? fx.detail : "";
	if (fx.version && jobs_build_set_version(tx, o->job, fx.version, e))
		return -1;
	return record_target(tx, &f.job, &fx, actor, e);
}

static enum job_kind kind_held(struct server *s, int64_t job, int attempt)
{
	pthread_mutex_lock(&s->lock);
	const struct held *h = idmap_find(&s->held, job);
	enum job_kind k = h && h->attempt == attempt ? h->kind : 0;
	pthread_mutex_unlock(&s->lock);
	return k;
}

static int refused(struct lease_result *r, struct err *e)
{
	if (e->code != ERR_STALE && e->code != ERR_NOT_FOUND)
		return -1;
	r->is_ok = false;
	r->error = err_info_get(ERR_STALE)->name;
	err_clear(e);
	return 0;
}

int lease_settle(struct tx *tx, struct server *s, struct arena *a, const struct worker *w,
		 struct lease_result *r, struct err *e)
{
	const struct outcome *o = &r->outcome;
	const struct kind *k = kind_find(kind_held(s, o->job, o->attempt));
	const char *actor = arena_printf(a, "worker:%s", w->name);
	struct job_end end = end_of(o);
	end.worker = w->id;
	/* A kind with nothing to say needs no look at the job: the fence is in jobs_finish(). A job not held here may
	 * be a repeat, or held since before this server started. */
	bool is_asked = (!k || k->settle) && o->outcome != OUTCOME_RELEASED && o->outcome != OUTCOME_LOST;
	bool is_fenced = !is_asked || attempts_check_lease(tx, o->job, o->attempt, w->id, e) == 0;
	if (!is_fenced && e->code != ERR_STALE && e->code != ERR_NOT_FOUND)
		return -1;
	err_clear(e);
	if (is_asked && is_fenced && ask_kind(tx, s, a, o, actor, &end, e))
		return -1;
	enum job_state state;
	bool is_repeat = false;
	r->is_ok = true;
	if (jobs_finish(tx, &end, actor, &state, &is_repeat, e) == 0)
		return 0;
	if (!is_repeat)
		return refused(r, e);
	err_clear(e);
	return 0;
}

/* --- ends the server gives --- */

struct feed_ends {
	struct store_task task;
	struct server *server;
	struct arena arena;
	struct worker worker;
	struct lease_result *ends;
	size_t len, cap;
};

static int ends_run(struct tx *tx, struct store_task *t, struct err *e)
{
	struct feed_ends *f = container_of(t, struct feed_ends, task);
	for (size_t i = 0; i < f->len; i++)
		if (lease_settle(tx, f->server, &f->arena, &f->worker, &f->ends[i], e))
			return -1;
	return 0;
}

static void ends_done(struct store_task *t)
{
	struct feed_ends *f = container_of(t, struct feed_ends, task);
	if (t->rc)
		log_err(&t->err, "cannot record the end of %zu attempts", f->len);
	arena_release(&f->arena);
	free(f);
}

struct feed_ends *feed_ends_new(struct server *s, const struct worker *w, size_t n)
{
	struct feed_ends *f = calloc(1, sizeof *f);
	if (!f)
		return NULL;
	f->server = s;
	f->worker = (struct worker){ .id = w->id, .name = arena_strdup(&f->arena, w->name) };
	f->ends = arena_array(&f->arena, n ? n : 1, sizeof *f->ends);
	f->cap = f->ends ? n : 0;
	f->task = (struct store_task){ .run = ends_run, .done = ends_done };
	return f;
}

void feed_ends_add(struct feed_ends *f, const struct job *j, enum attempt_outcome o, enum job_reason r,
		   const char *detail)
{
	if (f->len == f->cap)
		return;
	struct outcome *out = &f->ends[f->len++].outcome;
	*out = (struct outcome){ .job = j->id,
				 .attempt = j->attempt,
				 .outcome = o,
				 .reason = r,
				 .step = "",
				 .detail = arena_strdup(&f->arena, detail),
				 .exit_code = -1 };
}

void feed_ends_post(struct feed_ends *f)
{
	store_write(f->server->store, &f->task);
}
