/* Submitting jobs, and what people ask of jobs that are there. */
#include "server/routes_priv.h"

#include <string.h>

#include "model/submit.h"
#include "server/births.h"
#include "server/server_priv.h"

/* --- submit --- */

enum {
	BATCH_ON_HTTP_BYTES = 64 * 1024, /* a longer one is read on the offload thread */
	WARNINGS_MAX = 8,		 /* sorts of jobs that are looked at in a batch */
};

struct submission {
	struct job_new *news;
	bool *needs_store;
	struct job_birth *births;
	size_t len;
	bool is_batch;
	const char *actor;
	const char *warnings[WARNINGS_MAX];
	size_t warnings_len;
};

static int decode_one(struct ask *a, struct submission *b, const char *text, size_t len, struct err *e)
{
	size_t at = b->len;
	struct job_new *n = &b->news[at];
	CLEAN_JSON json_t *body = json_parse(b->is_batch ? "job" : "body", text, len, e);
	if (!body)
		return b->is_batch ? err_wrap(e, "line %zu", at + 1) : -1;
	/* Names its line by itself. */
	if (submit_decode(body, b->is_batch ? (int)at + 1 : 0, a->arena, n, e))
		return -1;
	if (!n->owner || !n->owner[0])
		n->owner = a->who;
	int rc = 0;
	if (!a->is_admin && strcmp(n->owner, a->who) != 0)
		rc = err_set(e, ERR_DENIED, "%s may not submit for %s", a->who, n->owner);
	else
		rc = births_check(a->server, n, a->arena, &b->needs_store[at], e);
	if (rc)
		return b->is_batch ? err_wrap(e, "line %zu", at + 1) : -1;
	b->len++;
	return 0;
}

static int decode_lines(struct ask *a, struct submission *b, struct err *e)
{
	const char *at = a->req->body, *end = at + a->req->body_len;
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		stop = stop ? stop : end;
		if (stop == at && stop + 1 >= end)
			break;
		if (decode_one(a, b, at, (size_t)(stop - at), e))
			return -1;
		at = stop + 1;
	}
	return b->len ? 0 : err_set(e, ERR_INVALID, "the batch is empty");
}

static size_t count_lines(const struct ask *a)
{
	size_t n = 1;
	const char *at = a->req->body, *end = at + a->req->body_len;
	while ((at = memchr(at, '\n', (size_t)(end - at)))) {
		n++;
		at++;
	}
	return n;
}

static int decode_submission(struct ask *a, struct submission *b, struct err *e)
{
	size_t n = b->is_batch ? count_lines(a) : 1;
	if (n > JOB_BATCH_MAX)
		return err_set(e, ERR_TOO_LARGE, "more than %d jobs in one batch", JOB_BATCH_MAX);
	if (!b->is_batch && a->req->body_len > JOB_BODY_MAX)
		return err_set(e, ERR_TOO_LARGE, "the body is longer than %d bytes", JOB_BODY_MAX);
	b->news = arena_array(a->arena, n, sizeof *b->news);
	b->births = arena_array(a->arena, n, sizeof *b->births);
	b->needs_store = arena_array(a->arena, n, sizeof *b->needs_store);
	b->actor = arena_printf(a->arena, "owner:%s", a->who);
	if (!b->news || !b->births || !b->needs_store || !b->actor)
		return err_set(e, ERR_NOMEM, "no memory for %zu jobs", n);
	return b->is_batch ? decode_lines(a, b, e) : decode_one(a, b, a->req->body, a->req->body_len, e);
}

/* Of sorts of jobs that nobody takes: once each. */
static int warn(struct ask *a, struct submission *b, struct tx *tx, struct err *e)
{
	int64_t lanes[WARNINGS_MAX], last = 0;
	size_t n = 0;
	for (size_t i = 0; i < b->len && n < WARNINGS_MAX; i++) {
		int64_t lane = b->births[i].lane;
		bool is_seen = !lane || lane == last;
		for (size_t k = 0; k < n && !is_seen; k++)
			is_seen = lanes[k] == lane;
		if (is_seen)
			continue;
		lanes[n++] = last = lane;
		const char *text;
		if (why_nobody(a->server, tx, lane, a->arena, &text, e))
			return -1;
		if (text)
			b->warnings[b->warnings_len++] = text;
	}
	return 0;
}

static void write_warnings(const struct submission *b, struct json_writer *w)
{
	if (!b->warnings_len)
		return;
	if (!b->is_batch) {
		jw_kstr(w, "warning", b->warnings[0]);
		return;
	}
	jw_key(w, "warnings");
	jw_begin_array(w);
	for (size_t i = 0; i < b->warnings_len; i++)
		jw_str(w, b->warnings[i]);
	jw_end_array(w);
}

static int submit_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct submission *b = a->data;
	/* The check fills in what is missing by what the store says now; it may have to be asked again. */
	struct job_new *news = arena_memdup(a->arena, b->news, b->len * sizeof *news);
	if (!news)
		return err_set(e, ERR_NOMEM, "no memory for %zu jobs", b->len);
	for (size_t i = 0; i < b->len; i++) {
		if (!b->needs_store[i] || births_check_in(tx, a->server, &news[i], a->arena, e) == 0)
			continue;
		return b->is_batch ? err_wrap(e, "line %zu", i + 1) : -1;
	}
	b->warnings_len = 0;
	return births_submit(tx, news, b->len, b->actor, a->arena, b->births, e) || warn(a, b, tx, e) ? -1
												      : 0;
}

static void submit_answer(struct ask *a)
{
	const struct submission *b = a->data;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	if (b->is_batch) {
		jw_key(&w, "ids");
		jw_begin_array(&w);
		for (size_t i = 0; i < b->len; i++)
			jw_int(&w, b->births[i].id);
		jw_end_array(&w);
	} else {
		jw_kint(&w, "id", b->births[0].id);
		jw_kbool(&w, "new", b->births[0].is_new);
	}
	write_warnings(b, &w);
	jw_end_object(&w);
	ask_answer(a, b->is_batch || b->births[0].is_new ? 201 : 200);
}

static void submit_decoded(struct ask *a)
{
	struct err e = ERR_INIT;
	if (decode_submission(a, a->data, &e))
		ask_fail(a, &e);
	else
		ask_write(a, submit_run, submit_answer);
}

void submit_route(struct ask *a)
{
	struct submission *b = arena_alloc(a->arena, sizeof *b);
	if (!b) {
		struct err e = ERR_INIT;
		err_set(&e, ERR_NOMEM, "no memory for a submission");
		ask_fail(a, &e);
		return;
	}
	const char *type = http_header(a->req, "Content-Type");
	b->is_batch = type && strncmp(type, "application/x-ndjson", 20) == 0;
	a->data = b;
	if (a->req->body_len > BATCH_ON_HTTP_BYTES)
		offload_ask(a, submit_decoded);
	else
		submit_decoded(a);
}

/* --- cancel, retry, rerun, suspend, resume, priority --- */

enum { ACT_IDS_MAX = 10000 };

struct act;
struct action {
	const char *name;
	int (*run)(struct tx *tx, const struct act *c, int64_t id, int64_t *new_id, struct err *e);
};

struct act {
	const struct action *action;
	const char *actor;
	int priority;
	int64_t *ids;
	size_t len;
};

static int run_cancel(struct tx *tx, const struct act *c, int64_t id, int64_t *new_id, struct err *e)
{
	return jobs_cancel(tx, id, c->actor, e);
}
static int run_suspend(struct tx *tx, const struct act *c, int64_t id, int64_t *new_id, struct err *e)
{
	return jobs_suspend(tx, id, c->actor, e);
}
static int run_resume(struct tx *tx, const struct act *c, int64_t id, int64_t *new_id, struct err *e)
{
	return jobs_resume(tx, id, c->actor, e);
}
static int run_retry(struct tx *tx, const struct act *c, int64_t id, int64_t *new_id, struct err *e)
{
	return jobs_retry(tx, id, c->actor, e);
}
static int run_rerun(struct tx *tx, const struct act *c, int64_t id, int64_t *new_id, struct err *e)
{
	return jobs_rerun(tx, id, c->actor, new_id, e);
}
static int run_priority(struct tx *tx, const struct act *c, int64_t id, int64_t *new_id, struct err *e)
{
	return jobs_set_priority(tx, id, c->priority, c->actor, e);
}

static const struct action actions[] = {
	{ "cancel", run_cancel },   { "retry", run_retry },   { "rerun", run_rerun },
	{ "suspend", run_suspend }, { "resume", run_resume }, { "priority", run_priority },
};

static int act_on(struct ask *a, struct tx *tx, int64_t id, int64_t *new_id, struct err *e)
{
	const struct act *c = a->data;
	CLEAN_ARENA struct arena row = ARENA_INIT;
	struct job j;
	if (jobs_get(tx, id, false, &row, &j, e))
		return -1;
	if (!a->is_admin && strcmp(j.owner, a->who) != 0)
		return err_set(e, ERR_DENIED, "job %lld belongs to %s", (long long)id, j.owner);
	return c->action->run(tx, c, id, new_id, e);
}

static void write_result(struct json_writer *w, int64_t id, int64_t new_id, const struct err *e)
{
	jw_begin_object(w);
	jw_kint(w, "id", id);
	jw_kbool(w, "ok", e->code == ERR_NONE);
	if (e->code) {
		jw_key(w, "error");
		jw_begin_object(w);
		jw_kstr(w, "code", err_info_get(e->code)->name);
		jw_kstr(w, "message", e->text);
		jw_end_object(w);
	} else if (new_id) {
		jw_kint(w, "new", new_id);
	}
	jw_end_object(w);
}

/* One that cannot be done leaves the others as they are; an error of the store undoes all. */
static int act_run(struct ask *a, struct tx *tx, struct err *e)
{
	const struct act *c = a->data;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_key(&w, "results");
	jw_begin_array(&w);
	for (size_t i = 0; i < c->len; i++) {
		struct err one = ERR_INIT;
		int64_t new_id = 0;
		if (act_on(a, tx, c->ids[i], &new_id, &one) && one.code != ERR_NOT_FOUND &&
		    one.code != ERR_CONFLICT && one.code != ERR_DENIED && one.code != ERR_INVALID) {
			*e = one;
			return -1;
		}
		write_result(&w, c->ids[i], new_id, &one);
	}
	jw_end_array(&w);
	jw_end_object(&w);
	return 0;
}

static int decode_act(struct ask *a, struct act *c, struct err *e)
{
	static const char *const plain[] = { "ids", NULL }, *const with_priority[] = { "ids", "priority",
										       NULL };
	bool is_priority = c->action->run == run_priority;
	int64_t priority = 0;
	const json_t *ids, *body = ask_body(a, is_priority ? with_priority : plain, e);
	if (!body || json_get_array(body, "ids", &ids, e))
		return -1;
	if (is_priority && !json_object_get(body, "priority"))
		return err_set(e, ERR_INVALID, "priority is missing");
	if (json_get_int(body, "priority", JOB_PRIORITY_MIN, JOB_PRIORITY_MAX, 0, &priority, e))
		return -1;
	c->priority = (int)priority;
	c->len = ids ? json_array_size(ids) : 0;
	if (c->len == 0 || c->len > ACT_IDS_MAX)
		return err_set(e, ERR_INVALID, "ids must be a list of 1 to %d numbers", ACT_IDS_MAX);
	c->ids = arena_array(a->arena, c->len, sizeof *c->ids);
	c->actor = arena_printf(a->arena, "owner:%s", a->who);
	if (!c->ids || !c->actor)
		return err_set(e, ERR_NOMEM, "no memory for %zu numbers", c->len);
	for (size_t i = 0; i < c->len; i++) {
		const json_t *id = json_array_get(ids, i);
		if (!json_is_integer(id))
			return err_set(e, ERR_INVALID, "ids must be numbers");
		c->ids[i] = json_integer_value(id);
	}
	return 0;
}

void act_route(struct ask *a)
{
	struct err e = ERR_INIT;
	struct act *c = arena_alloc(a->arena, sizeof *c);
	const char *name = strrchr(a->route->pattern, '/') + 1;
	for (size_t i = 0; c && i < sizeof actions / sizeof actions[0]; i++)
		if (strcmp(actions[i].name, name) == 0)
			c->action = &actions[i];
	if (!c || decode_act(a, c, &e)) {
		ask_fail(a, &e);
		return;
	}
	a->data = c;
	ask_write(a, act_run, NULL);
}
