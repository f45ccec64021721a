/* Jobs: lists, one job, waiting for jobs, artifacts. */
#include "server/routes_priv.h"

#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "server/estimates.h"
#include "server/render.h"
#include "server/server_priv.h"
#include "store/blobs.h"
#include "store/jobs.h"
#include "store/records.h"

enum {
	LIST_DEFAULT = 50,
	LIST_MAX = 1000,
	CHAIN_SHOWN_MAX = 100,
	EVENTS_SHOWN_MAX = 1000,
	WAIT_IDS_MAX = 10000,
	WAIT_MS_MAX = 60000,
};

/* --- list --- */

static int decode_states(const char *names, unsigned *bits, struct err *e)
{
	*bits = 0;
	for (const char *at = names; at && *at;) {
		size_t n = strcspn(at, ",");
		char name[32];
		snprintf(name, sizeof name, "%.*s", (int)n, at);
		enum job_state s = state_parse(name);
		if (!s)
			return err_set(e, ERR_INVALID, "there is no state %s", name);
		*bits |= 1U << s;
		at += n + (at[n] == ',');
	}
	return 0;
}

static int decode_filter(const struct ask *a, struct job_filter *f, struct err *e)
{
	const char *kind = ask_text(a, "kind", NULL);
	*f = (struct job_filter){
		.kind = kind ? kind_parse(kind) : 0,
		.owner = ask_text(a, "owner", NULL),
		.worker = ask_text(a, "worker", NULL),
		.name = ask_text(a, "name", NULL),
		.target = ask_text(a, "target", NULL),
		.chain = ask_int(a, "chain", 0),
		.before = ask_int(a, "before", 0),
	};
	int64_t limit = ask_int(a, "limit", LIST_DEFAULT);
	if (kind && !f->kind)
		return err_set(e, ERR_INVALID, "there is no kind %s", kind);
	if (limit < 1 || limit > LIST_MAX)
		return err_set(e, ERR_INVALID, "limit must be from 1 to %d", LIST_MAX);
	f->limit = (int)limit;
	return decode_states(ask_text(a, "state", NULL), &f->states, e);
}

static int list_run(struct ask *a, struct tx *tx, struct err *e)
{
	const struct job_filter *f = a->data;
	struct json_writer w = ask_writer(a);
	struct job *jobs;
	size_t n;
	if (jobs_list(tx, f, a->arena, &jobs, &n, e))
		return -1;
	jw_begin_object(&w);
	jw_key(&w, "jobs");
	jw_begin_array(&w);
	for (size_t i = 0; i < n; i++)
		if (render_job(tx, &jobs[i], a->arena, &w, false, e))
			return -1;
	jw_end_array(&w);
	render_optional(&w, "next", n == (size_t)f->limit ? jobs[n - 1].id : 0, 0);
	jw_end_object(&w);
	return 0;
}

void jobs_list_route(struct ask *a)
{
	struct err e = ERR_INIT;
	struct job_filter *f = arena_alloc(a->arena, sizeof *f);
	if (!f || decode_filter(a, f, &e)) {
		ask_fail(a, &e);
		return;
	}
	a->data = f;
	ask_read(a, list_run, NULL);
}

/* --- one --- */

static int show_attempts(struct ask *a, struct tx *tx, struct json_writer *w, struct err *e)
{
	struct attempt *attempts;
	size_t n;
	if (attempts_list(tx, a->id, a->arena, &attempts, &n, e))
		return -1;
	jw_key(w, "attempts");
	jw_begin_array(w);
	for (size_t i = 0; i < n; i++)
		render_attempt(&attempts[i], w);
	jw_end_array(w);
	return 0;
}

static int show_events(struct ask *a, struct tx *tx, struct json_writer *w, struct err *e)
{
	struct event *events;
	size_t n;
	if (events_list(tx, a->id, EVENTS_SHOWN_MAX, a->arena, &events, &n, e))
		return -1;
	jw_key(w, "events");
	jw_begin_array(w);
	for (size_t i = 0; i < n; i++)
		render_event(&events[i], w);
	jw_end_array(w);
	return 0;
}

static int show_chain(struct ask *a, struct tx *tx, const struct job *j, struct json_writer *w, struct err *e)
{
	const struct job_filter f = { .chain = j->chain, .limit = CHAIN_SHOWN_MAX };
	struct job *jobs;
	size_t n;
	if (jobs_list(tx, &f, a->arena, &jobs, &n, e))
		return -1;
	jw_key(w, "chain_jobs");
	jw_begin_array(w);
	while (n--)
		if (render_job(tx, &jobs[n], a->arena, w, false, e))
			return -1;
	jw_end_array(w);
	return 0;
}

static int show_dependants(struct ask *a, struct tx *tx, struct json_writer *w, struct err *e)
{
	struct job *jobs;
	size_t n;
	if (jobs_dependants(tx, a->id, LIST_MAX, a->arena, &jobs, &n, e))
		return -1;
	jw_key(w, "needed_by");
	jw_begin_array(w);
	for (size_t i = 0; i < n; i++)
		jw_int(w, jobs[i].id);
	jw_end_array(w);
	return 0;
}

/* It comes from the job itself: what is no object is not shown. */
static int show_result(struct ask *a, struct tx *tx, struct json_writer *w, struct err *e)
{
	const char *text;
	if (jobs_result_get(tx, a->id, a->arena, &text, e))
		return -1;
	CLEAN_JSON json_t *json = text ? json_parse("result", text, strlen(text), NULL) : NULL;
	jw_key(w, "result");
	if (json_is_object(json))
		jw_raw(w, text);
	else
		jw_null(w);
	return 0;
}

static int show_estimate(struct ask *a, struct tx *tx, const struct job *j, struct json_writer *w,
			 struct err *e)
{
	struct outlook o;
	if (outlook_find(a->server, tx, j, a->arena, &o, e))
		return -1;
	jw_key(w, "estimate");
	outlook_render(&o, w);
	return 0;
}

static int show_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct job j;
	struct json_writer w = ask_writer(a);
	if (jobs_get(tx, a->id, true, a->arena, &j, e) || render_job(tx, &j, a->arena, &w, true, e) ||
	    render_payload(&j, a->arena, &w, e) || show_estimate(a, tx, &j, &w, e) ||
	    show_result(a, tx, &w, e) || show_attempts(a, tx, &w, e) || show_events(a, tx, &w, e) ||
	    show_chain(a, tx, &j, &w, e) || show_dependants(a, tx, &w, e))
		return -1;
	jw_end_object(&w);
	return 0;
}

void jobs_show_route(struct ask *a)
{
	ask_read(a, show_run, NULL);
}

/* --- artifacts --- */

static int artifacts_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct json_writer w = ask_writer(a);
	struct artifact *files;
	struct job j;
	size_t n;
	if (jobs_get(tx, a->id, false, a->arena, &j, e) ||
	    artifacts_list(tx, a->id, (int)ask_int(a, "attempt", 0), a->arena, &files, &n, e))
		return -1;
	jw_begin_object(&w);
	jw_key(&w, "artifacts");
	jw_begin_array(&w);
	for (size_t i = 0; i < n; i++)
		render_artifact(&files[i], &w);
	jw_end_array(&w);
	jw_end_object(&w);
	return 0;
}

void artifacts_list_route(struct ask *a)
{
	ask_read(a, artifacts_run, NULL);
}

static int artifact_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct artifact *files;
	size_t n;
	if (artifacts_list(tx, a->id, (int)ask_int(a, "attempt", 0), a->arena, &files, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(files[i].name, a->name) == 0) {
			a->data = arena_strdup(a->arena, files[i].sha256);
			return a->data ? 0 : err_set(e, ERR_NOMEM, "no memory for a name");
		}
	}
	return err_set(e, ERR_NOT_FOUND, "job %lld has no artifact %.200s", (long long)a->id, a->name);
}

/* What a job produced is not to be shown by a browser as if it were ours. */
static void artifact_send(struct ask *a)
{
	struct err e = ERR_INIT;
	int64_t size;
	int fd = blob_open(a->server->store, a->data, &size, &e);
	if (fd < 0) {
		ask_fail(a, &e);
		return;
	}
	http_set_header(a->req, "Content-Disposition", "attachment");
	http_set_header(a->req, "X-Content-Type-Options", "nosniff");
	http_answer_file(a->req, "application/octet-stream", fd, size);
}

void artifact_route(struct ask *a)
{
	ask_read(a, artifact_run, artifact_send);
}
