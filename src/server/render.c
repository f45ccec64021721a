#include "server/render.h"

#include <string.h>

#include "model/limits.h"
#include "model/submit.h"
#include "server/feed_status.h"
#include "server/server_priv.h"
#include "store/jobs.h"
#include "store/records.h"

enum { NEEDS_SHOWN_MAX = 1000 };

void render_tags(const char *tags, struct json_writer *w)
{
	jw_begin_array(w);
	for (const char *at = tags ? tags : ""; *at;) {
		size_t n = strcspn(at, ",");
		jw_strn(w, at, n);
		at += n + (at[n] == ',');
	}
	jw_end_array(w);
}

void render_optional(struct json_writer *w, const char *key, int64_t value, int64_t none)
{
	jw_key(w, key);
	if (value == none)
		jw_null(w);
	else
		jw_int(w, value);
}

static void render_row(const struct job *j, struct json_writer *w)
{
	jw_kint(w, "id", j->id);
	jw_kstr(w, "kind", kind_name(j->kind));
	jw_kstr(w, "name", j->name);
	jw_kstr(w, "state", state_name(j->state));
	jw_kstr(w, "reason", reason_name(j->reason));
	jw_kint(w, "priority", j->priority);
	jw_kstr(w, "owner", j->owner);
	jw_kstr(w, "isolation", isolation_name(j->isolation));
	jw_kstr(w, "target", j->target);
	jw_kstr(w, "arch", j->arch);
	jw_key(w, "tags");
	render_tags(j->tags, w);
	jw_kstr(w, "zone", j->zone ? j->zone : "");
	jw_key(w, "limit_key");
	if (j->limit_key.name) {
		jw_begin_object(w);
		jw_kstr(w, "name", j->limit_key.name);
		jw_kint(w, "n", j->limit_key.n);
		jw_end_object(w);
	} else {
		jw_null(w);
	}
	jw_kint(w, "attempt", j->attempt);
	jw_kint(w, "max_attempts", j->max_attempts);
	jw_kstr(w, "worker", j->worker);
	render_optional(w, "exit_code", j->exit_code, -1);
	render_optional(w, "signal", j->signal, 0);
	jw_ktime(w, "created", j->created_ms);
	jw_ktime(w, "run_at", j->run_at_ms);
	jw_ktime(w, "started", j->started_ms);
	jw_ktime(w, "finished", j->finished_ms);
	jw_kint(w, "chain", j->chain);
	jw_kbool(w, "cancel_asked", j->is_cancel_asked);
	jw_kint(w, "artifacts", j->artifacts);
	jw_kstr(w, "progress", j->progress ? j->progress : "");
	jw_kint(w, "failures", j->failures);
	jw_kint(w, "losses", j->losses);
	jw_key(w, "timeout");
	jw_seconds(w, j->timeout_ms);
	jw_key(w, "silence");
	jw_seconds(w, j->silence_ms);
}

/* A job that needs others is in the chain of one of them, so the first of a chain needs none. */
static int render_needs(struct tx *tx, const struct job *j, struct arena *a, struct json_writer *w,
			struct err *e)
{
	struct job *needs = NULL;
	size_t n = 0;
	if ((j->chain != j->id || j->needs_left) && jobs_needs(tx, j->id, NEEDS_SHOWN_MAX, a, &needs, &n, e))
		return -1;
	jw_key(w, "needs");
	jw_begin_array(w);
	for (size_t i = 0; i < n; i++)
		jw_int(w, needs[i].id);
	jw_end_array(w);
	return 0;
}

static int render_build(struct tx *tx, const struct job *j, struct arena *a, struct json_writer *w,
			struct err *e)
{
	struct build_row row = { .is_found = false };
	if (jobs_build_get(tx, j->id, a, &row, e))
		return -1;
	jw_key(w, "build");
	jw_begin_object(w);
	jw_kstr(w, "type", row.is_found ? row.type : "");
	jw_kstr(w, "source", row.is_found ? row.source : "");
	jw_kstr(w, "version", row.is_found ? row.version : "");
	jw_kstr(w, "target", j->target);
	jw_end_object(w);
	return 0;
}

/* The targets a recipe is for are in the kind's part of its body. */
static void render_recipe(const struct job *j, struct arena *a, struct json_writer *w)
{
	struct payload p;
	CLEAN_JSON json_t *detail = NULL;
	if (j->payload && payload_decode(j->payload, a, &p, NULL) == 0 && p.detail)
		detail = json_parse("detail", p.detail, strlen(p.detail), NULL);
	jw_key(w, "recipe");
	jw_begin_object(w);
	jw_key(w, "targets");
	jw_begin_array(w);
	size_t i;
	json_t *name;
	json_array_foreach (json_object_get(detail, "targets"), i, name)
		jw_str(w, json_string_value(name));
	jw_end_array(w);
	jw_end_object(w);
}

int render_job(struct tx *tx, const struct job *j, struct arena *a, struct json_writer *w, bool with_more,
	       struct err *e)
{
	jw_begin_object(w);
	render_row(j, w);
	if (render_needs(tx, j, a, w, e))
		return -1;
	if (j->kind == KIND_BUILD && render_build(tx, j, a, w, e))
		return -1;
	if (j->kind == KIND_RECIPE)
		render_recipe(j, a, w);
	if (j->kind == KIND_IMPORT) {
		jw_key(w, "import");
		jw_begin_object(w);
		jw_end_object(w);
	}
	if (!with_more)
		jw_end_object(w);
	return 0;
}

static void render_words(const char *key, const char *const *words, struct json_writer *w)
{
	jw_key(w, key);
	jw_begin_array(w);
	for (; words && *words; words++)
		jw_str(w, *words);
	jw_end_array(w);
}

static void render_limits(const struct job_limits *l, struct json_writer *w)
{
	jw_key(w, "limits");
	jw_begin_object(w);
	for (size_t i = 0; i < LIMITS; i++) {
		jw_key(w, limit_rows[i].name);
		if (limit_rows[i].unit == LIMIT_TIME)
			jw_seconds(w, limit_get(l, &limit_rows[i]));
		else
			jw_int(w, limit_get(l, &limit_rows[i]));
	}
	jw_end_object(w);
}

static void render_inputs(const struct payload *p, struct json_writer *w)
{
	jw_key(w, "inputs");
	jw_begin_array(w);
	for (size_t i = 0; i < p->inputs_len; i++) {
		jw_begin_object(w);
		jw_kstr(w, "name", p->inputs[i].name);
		jw_kstr(w, "sha256", p->inputs[i].sha256);
		jw_kint(w, "size", p->inputs[i].size_bytes);
		jw_kstr(w, "mode", p->inputs[i].mode & 0111 ? "0755" : "0644");
		jw_end_object(w);
	}
	jw_end_array(w);
}

int render_payload(const struct job *j, struct arena *a, struct json_writer *w, struct err *e)
{
	struct payload p;
	if (payload_decode(j->payload, a, &p, e))
		return -1;
	render_words("argv", p.argv, w);
	jw_key(w, "env");
	jw_begin_object(w);
	for (size_t i = 0; i < p.env_len; i++)
		jw_kstr(w, p.env[i].name, p.env[i].value);
	jw_end_object(w);
	render_inputs(&p, w);
	render_words("collect", p.collect, w);
	render_limits(&p.limits, w);
	jw_key(w, "detail");
	if (p.detail)
		jw_raw(w, p.detail);
	else
		jw_null(w);
	return 0;
}

void render_attempt(const struct attempt *t, struct json_writer *w)
{
	jw_begin_object(w);
	jw_kint(w, "n", t->n);
	jw_kstr(w, "worker", t->worker);
	jw_ktime(w, "started", t->started_ms);
	jw_ktime(w, "finished", t->finished_ms);
	jw_kstr(w, "outcome", outcome_name(t->outcome));
	jw_kstr(w, "reason", reason_name(t->reason));
	jw_kstr(w, "step", t->step ? t->step : "");
	jw_kstr(w, "detail", t->detail ? t->detail : "");
	render_optional(w, "exit_code", t->exit_code, -1);
	render_optional(w, "signal", t->signal, 0);
	jw_key(w, "wall");
	jw_seconds(w, t->usage.wall_ms);
	jw_key(w, "cpu_user");
	jw_seconds(w, t->usage.cpu_user_us / 1000);
	jw_key(w, "cpu_system");
	jw_seconds(w, t->usage.cpu_sys_us / 1000);
	jw_kint(w, "memory_peak", t->usage.memory_peak_bytes);
	jw_kint(w, "log_size", t->log_bytes);
	jw_kbool(w, "log_truncated", t->is_log_truncated);
	jw_end_object(w);
}

void render_artifact(const struct artifact *f, struct json_writer *w)
{
	jw_begin_object(w);
	jw_kstr(w, "name", f->name);
	jw_kstr(w, "sha256", f->sha256);
	jw_kint(w, "size", f->size_bytes);
	jw_kint(w, "attempt", f->attempt);
	jw_end_object(w);
}

void render_event(const struct event *v, struct json_writer *w)
{
	jw_begin_object(w);
	jw_kint(w, "id", v->id);
	jw_kint(w, "job", v->job);
	jw_ktime(w, "at", v->at_ms);
	jw_kstr(w, "actor", v->actor);
	jw_kstr(w, "from", v->from ? state_name(v->from) : "");
	jw_kstr(w, "to", state_name(v->to));
	jw_kstr(w, "reason", reason_name(v->reason));
	jw_kstr(w, "detail", v->detail ? v->detail : "");
	jw_end_object(w);
}

static void render_held(const struct job *jobs, size_t n, struct json_writer *w)
{
	jw_key(w, "jobs");
	jw_begin_array(w);
	for (size_t i = 0; i < n; i++) {
		jw_begin_object(w);
		jw_kint(w, "id", jobs[i].id);
		jw_kint(w, "attempt", jobs[i].attempt);
		jw_kstr(w, "state", state_name(jobs[i].state));
		jw_ktime(w, "started", jobs[i].started_ms);
		jw_end_object(w);
	}
	jw_end_array(w);
}

void render_worker(struct server *s, const struct worker *k, const struct job *jobs, size_t n,
		   struct arena *a, struct json_writer *w)
{
	jw_begin_object(w);
	jw_kint(w, "id", k->id);
	jw_kstr(w, "name", k->name);
	jw_kstr(w, "machine", k->machine);
	jw_kstr(w, "state", worker_state_name(k->state));
	jw_kbool(w, "online", hub_is_online(s, k));
	jw_kstr(w, "arch", k->arch);
	jw_key(w, "isolations");
	jw_begin_array(w);
	for (int i = 0; i <= ISOLATION_LAST; i++)
		if (k->isolations & (1U << i))
			jw_str(w, isolation_name((enum isolation)i));
	jw_end_array(w);
	jw_key(w, "tags");
	render_tags(k->tags, w);
	jw_key(w, "demands");
	render_tags(k->demands, w);
	jw_key(w, "zones");
	render_tags(k->zones, w);
	jw_kint(w, "slots", k->slots);
	jw_kint(w, "running", k->running);
	render_held(jobs, n, w);
	jw_kint(w, "failures", k->failures);
	jw_key(w, "quarantine");
	if (k->quarantine[0]) {
		jw_begin_object(w);
		jw_kstr(w, "reason", k->quarantine);
		jw_ktime(w, "since", k->quarantined_ms);
		jw_end_object(w);
	} else {
		jw_null(w);
	}
	feed_render_status(s, k, a, w);
	jw_kbool(w, "disk_low", k->is_disk_low);
	jw_ktime(w, "beat", hub_heard_ms(s, k));
	jw_kstr(w, "version", k->version);
	jw_key(w, "server");
	if (*k->server_name)
		jw_str(w, k->server_name);
	else
		jw_null(w);
	jw_end_object(w);
}

void render_target(const struct target *t, struct json_writer *w)
{
	jw_begin_object(w);
	jw_kstr(w, "name", t->name);
	jw_kstr(w, "suite", t->suite);
	jw_kstr(w, "arch", t->arch);
	jw_kstr(w, "state", t->state);
	jw_kstr(w, "image", t->image[0] ? t->image : NULL);
	jw_kint(w, "image_size", t->image_bytes);
	jw_ktime(w, "updated", t->updated_ms);
	render_optional(w, "job", t->job, 0);
	jw_end_object(w);
}
