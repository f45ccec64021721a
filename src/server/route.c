#include "server/route.h"

#include <string.h>

#include "base/clean.h"
#include "base/parse.h"
#include "server/access.h"
#include "server/server_priv.h"

void route_error_body(const struct err *e, struct buf *out)
{
	struct json_writer w;
	jw_init(&w, out);
	jw_begin_object(&w);
	jw_key(&w, "error");
	jw_begin_object(&w);
	jw_kstr(&w, "code", err_info_get(e->code)->name);
	jw_kstr(&w, "message", e->text);
	jw_end_object(&w);
	jw_end_object(&w);
}

struct ask *ask_of(struct http_request *r)
{
	return r->user;
}

/* Does the path fit the pattern? Fills in what the braces stand for. *is_id_wrong: it would, were {id} a number. */
static bool match(const char *pattern, const char *path, struct ask *a, bool *is_id_wrong)
{
	*is_id_wrong = false;
	while (*pattern) {
		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		size_t n = strcspn(path, "/");
		if (strncmp(pattern, "{path}", 6) == 0)
			n = strlen(path);
		if (n == 0)
			return false;
		char *value = arena_strndup(a->arena, path, n);
		if (!value)
			return false;
		if (strncmp(pattern, "{id}", 4) == 0)
			*is_id_wrong = parse_int("id", value, 1, INT64_MAX, &a->id, NULL) != 0;
		else
			a->name = value;
		pattern += strcspn(pattern, "}") + 1;
		path += n;
	}
	return !*path;
}

static const struct route *find_route(struct ask *a, struct err *e)
{
	bool is_path_known = false;
	for (const struct route *r = routes; r->method; r++) {
		bool is_id_wrong;
		bool is_method = strcmp(r->method, a->req->method) == 0;
		if (!is_method && is_path_known)
			continue;
		if (!match(r->pattern, a->req->path, a, &is_id_wrong))
			continue;
		is_path_known = true;
		if (!is_method)
			continue;
		if (is_id_wrong) {
			err_set(e, ERR_INVALID, "%s: a number is needed here", a->req->path);
			return NULL;
		}
		return r;
	}
	if (is_path_known)
		err_set(e, ERR_INVALID, "%s does not take %s", a->req->path, a->req->method);
	else
		err_set(e, ERR_NOT_FOUND, "there is nothing at %s", a->req->path);
	return NULL;
}

static int check_value(const struct route_param *p, const char *value, struct err *e)
{
	int64_t n;
	switch (p->type) {
	case PARAM_TEXT:
		return 0;
	case PARAM_INT:
		return parse_int(p->name, value, 0, INT64_MAX, &n, e);
	case PARAM_SECONDS:
		return parse_duration(p->name, value, &n, e);
	case PARAM_BOOL:
		if (strcmp(value, "0") == 0 || strcmp(value, "1") == 0)
			return 0;
		return err_set(e, ERR_INVALID, "%s must be 0 or 1", p->name);
	}
	return 0;
}

struct take_params {
	struct ask *a;
	struct err *e;
};

static bool take_param(void *ctx, const char *name, const char *value)
{
	struct take_params *t = ctx;
	const struct route_param *p = t->a->route->params;
	for (size_t i = 0; p && p[i].name; i++) {
		if (strcmp(p[i].name, name) != 0)
			continue;
		if (t->a->params[i]) {
			err_set(t->e, ERR_INVALID, "the parameter %s is given twice", name);
			return false;
		}
		if (check_value(&p[i], value, t->e))
			return false;
		t->a->params[i] = arena_strdup(t->a->arena, value);
		return true;
	}
	err_set(t->e, ERR_INVALID, "there is no parameter %.100s here", name);
	return false;
}

static int check_access(struct ask *a, struct err *e)
{
	if (!role_may(a->role, a->route->access))
		return access_refuse(a, e);
	if (a->route->access != ACCESS_WORKER)
		return 0;
	a->worker = arena_strdup(a->arena, http_header(a->req, "Slipway-Worker"));
	a->session = arena_strdup(a->arena, http_header(a->req, "Slipway-Session"));
	if (!a->worker || !a->session)
		return err_set(e, ERR_INVALID,
			       "the headers Slipway-Worker and Slipway-Session are needed here");
	return access_check_worker(a, a->worker, e);
}

static int prepare(struct ask *a, struct err *e)
{
	a->route = find_route(a, e);
	if (!a->route)
		return -1;
	if (access_identify(a, e) || check_access(a, e))
		return -1;
	struct take_params t = { .a = a, .e = e };
	http_query_walk(a->req, take_param, &t);
	if (e->code)
		return -1;
	a->req->body_limit = a->route->body_limit;
	return a->route->sink_begin ? a->route->sink_begin(a, e) : 0;
}

static void ask_end(struct http_request *r)
{
	struct ask *a = ask_of(r);
	if (a->data_end)
		a->data_end(a);
}

static void ask_free(struct http_request *r)
{
	struct ask *a = ask_of(r);
	if (a->data_free)
		a->data_free(a);
	json_decref(a->json);
	buf_release(&a->reply);
}

void route_begin(struct http_request *r)
{
	struct err e = ERR_INIT;
	struct ask *a = arena_alloc(&r->arena, sizeof *a);
	if (!a) {
		err_set(&e, ERR_NOMEM, "no memory for a request");
		CLEAN_BUF struct buf b = BUF_INIT;
		route_error_body(&e, &b);
		http_answer(r, 500, "application/json", &b);
		return;
	}
	a->server = http_request_ctx(r);
	a->req = r;
	a->arena = &r->arena;
	a->status = 200;
	buf_init(&a->reply);
	r->user = a;
	r->on_end = ask_end;
	r->on_free = ask_free;
	if (prepare(a, &e))
		ask_fail(a, &e);
}

void route_handle(struct http_request *r)
{
	struct ask *a = ask_of(r);
	a->route->handle(a);
}

static size_t param_index(const struct ask *a, const char *name)
{
	const struct route_param *p = a->route->params;
	size_t i = 0;
	while (strcmp(p[i].name, name) != 0)
		i++;
	return i;
}

const char *ask_text(const struct ask *a, const char *name, const char *dflt)
{
	const char *v = a->params[param_index(a, name)];
	return v ? v : dflt;
}

int64_t ask_int(const struct ask *a, const char *name, int64_t dflt)
{
	int64_t n = dflt;
	const char *v = ask_text(a, name, NULL);
	if (v)
		parse_int(name, v, 0, INT64_MAX, &n, NULL);
	return n;
}

int64_t ask_seconds_ms(const struct ask *a, const char *name, int64_t dflt_ms)
{
	int64_t ms = dflt_ms;
	const char *v = ask_text(a, name, NULL);
	if (v)
		parse_duration(name, v, &ms, NULL);
	return ms;
}

const json_t *ask_body(struct ask *a, const char *const *fields, struct err *e)
{
	json_t *j = json_parse("body", a->req->body, a->req->body_len, e);
	if (!j)
		return NULL;
	a->json = j;
	if (!json_is_object(j)) {
		err_set(e, ERR_INVALID, "the body must be an object");
		return NULL;
	}
	return fields && json_check_fields(j, fields, e) ? NULL : j;
}

static int task_run(struct tx *tx, struct store_task *t, struct err *e)
{
	struct ask *a = container_of(t, struct ask, task);
	return a->run(a, tx, e);
}

static void run_after(struct http_request *r)
{
	struct ask *a = ask_of(r);
	a->after(a);
}

static void task_done(struct store_task *t)
{
	struct ask *a = container_of(t, struct ask, task);
	struct http_request *req = a->req;
	if (t->rc && a->failed)
		a->failed(a, &t->err);
	if (t->rc)
		ask_fail(a, &t->err);
	else if (a->after)
		http_continue(req, run_after);
	else
		ask_answer(a, a->status);
	http_drop(req);
}

static void prepare_task(struct ask *a, int (*run)(struct ask *a, struct tx *tx, struct err *e),
			 void (*after)(struct ask *a))
{
	a->run = run;
	a->after = after;
	a->task = (struct store_task){ .run = task_run, .done = task_done };
	http_hold(a->req);
}

void ask_read(struct ask *a, int (*run)(struct ask *a, struct tx *tx, struct err *e),
	      void (*after)(struct ask *a))
{
	prepare_task(a, run, after);
	store_read(a->server->store, &a->task);
}

void ask_write(struct ask *a, int (*run)(struct ask *a, struct tx *tx, struct err *e),
	       void (*after)(struct ask *a))
{
	prepare_task(a, run, after);
	store_write(a->server->store, &a->task);
}

void ask_fail(struct ask *a, const struct err *e)
{
	buf_reset(&a->reply);
	route_error_body(e, &a->reply);
	ask_answer(a, err_info_get(e->code)->http_status);
}

void ask_answer(struct ask *a, int status)
{
	http_answer(a->req, status, "application/json", &a->reply);
}

struct json_writer ask_writer(struct ask *a)
{
	struct json_writer w;
	buf_reset(&a->reply);
	jw_init(&w, &a->reply);
	return w;
}
