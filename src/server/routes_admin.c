/* Status, workers, targets, build types, and the administrator's checks. */
#include "server/routes_priv.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clean.h"
#include "base/clock.h"
#include "server/estimates.h"
#include "server/peers.h"
#include "server/render.h"
#include "server/server_priv.h"
#include "store/backup.h"
#include "store/blobs.h"
#include "store/check.h"
#include "store/jobs.h"
#include "store/records.h"
#include "store/servers.h"

/* --- status --- */

static void write_states(struct json_writer *w, const struct tally *t, size_t n, enum job_kind kind)
{
	jw_begin_object(w);
	for (int s = STATE_FIRST; s <= STATE_LAST; s++) {
		int64_t sum = 0;
		for (size_t i = 0; i < n; i++)
			if (t[i].state == (enum job_state)s && (!kind || t[i].kind == kind))
				sum += t[i].n;
		jw_kint(w, state_name((enum job_state)s), sum);
	}
	jw_end_object(w);
}

static void write_tallies(struct json_writer *w, const struct tally *t, size_t n)
{
	jw_key(w, "jobs");
	write_states(w, t, n, 0);
	jw_key(w, "kinds");
	jw_begin_object(w);
	for (int k = 1; k <= KIND_LAST; k++) {
		jw_key(w, kind_name((enum job_kind)k));
		write_states(w, t, n, (enum job_kind)k);
	}
	jw_end_object(w);
}

static void write_workers(struct server *s, struct json_writer *w, const struct worker *workers, size_t n)
{
	int64_t online = 0, slots = 0, running = 0, quarantined = 0;
	for (size_t i = 0; i < n; i++) {
		running += workers[i].running;
		quarantined += workers[i].quarantine[0] != '\0';
		if (!hub_is_online(s, &workers[i]))
			continue;
		online++;
		slots += workers[i].slots;
	}
	jw_key(w, "workers");
	jw_begin_object(w);
	jw_kint(w, "online", online);
	jw_kint(w, "slots", slots);
	jw_kint(w, "running", running);
	jw_kint(w, "quarantined", quarantined);
	jw_end_object(w);
}

static void write_servers(struct server *s, struct json_writer *w, const struct server_row *rows, size_t n)
{
	jw_key(w, "servers");
	jw_begin_array(w);
	for (size_t i = 0; i < n; i++) {
		jw_begin_object(w);
		jw_kstr(w, "name", rows[i].name);
		jw_kstr(w, "version", rows[i].version);
		jw_kbool(w, "alive", rows[i].is_alive);
		jw_ktime(w, "started", rows[i].started_ms);
		jw_key(w, "beat_age");
		if (rows[i].beat_ms)
			jw_seconds(w, store_now_ms(s->store) - rows[i].beat_ms);
		else
			jw_null(w);
		jw_end_object(w);
	}
	jw_end_array(w);
}

/* So long a transaction is nobody's who only works. */
enum { HOLDER_MS = 5 * 60 * 1000 };

static void write_holder(struct json_writer *w, const struct holder *h)
{
	jw_key(w, "vacuum_held_by");
	if (!h->is_there) {
		jw_null(w);
		return;
	}
	jw_begin_object(w);
	jw_kint(w, "pid", h->pid);
	jw_kstr(w, "user", h->user);
	jw_kstr(w, "application", h->application);
	jw_kstr(w, "state", h->state);
	jw_key(w, "age");
	jw_seconds(w, h->age_ms);
	jw_end_object(w);
}

static int status_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct server *s = a->server;
	struct tally *tallies;
	struct worker *workers;
	struct server_row *servers;
	struct holder holder;
	size_t tallies_len, workers_len, servers_len;
	if (servers_list(tx, a->arena, &servers, &servers_len, e) ||
	    holder_find(tx, s->holder_ms ? s->holder_ms : HOLDER_MS, a->arena, &holder, e) ||
	    jobs_tallies(tx, a->arena, &tallies, &tallies_len, e) ||
	    workers_list(tx, a->arena, &workers, &workers_len, e))
		return -1;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_kstr(&w, "version", SLIPWAY_VERSION);
	jw_kstr(&w, "name", server_name(s));
	jw_kstr(&w, "database", store_database(s->store));
	jw_kstr(&w, "data", s->data_dir);
	jw_ktime(&w, "time", store_now_ms(s->store));
	write_tallies(&w, tallies, tallies_len);
	write_workers(s, &w, workers, workers_len);
	write_servers(s, &w, servers, servers_len);
	write_holder(&w, &holder);
	jw_key(&w, "estimates");
	if (outlook_render_forecasts(tx, &w, e))
		return -1;
	jw_key(&w, "uptime");
	jw_seconds(&w, clock_boot_ms() - s->started_boot_ms);
	jw_ktime(&w, "started", s->started_wall_ms);
	jw_end_object(&w);
	return 0;
}

void status_route(struct ask *a)
{
	ask_read(a, status_run, NULL);
}

/* --- workers --- */

static int workers_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct worker *workers;
	size_t n;
	if (workers_list(tx, a->arena, &workers, &n, e))
		return -1;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_key(&w, "workers");
	jw_begin_array(&w);
	for (size_t i = 0; i < n; i++) {
		struct job *jobs = NULL;
		size_t jobs_len = 0;
		if (workers[i].running && jobs_held(tx, workers[i].id, a->arena, &jobs, &jobs_len, e))
			return -1;
		render_worker(a->server, &workers[i], jobs, jobs_len, a->arena, &w);
	}
	jw_end_array(&w);
	jw_end_object(&w);
	return 0;
}

void workers_list_route(struct ask *a)
{
	ask_read(a, workers_run, NULL);
}

static int worker_state_run(struct ask *a, struct tx *tx, struct err *e)
{
	const char *state = a->data;
	const char *actor = arena_printf(a->arena, "owner:%s", a->who);
	if (workers_set_state(tx, a->name, (enum worker_state)worker_state_parse(state), actor, e))
		return -1;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_kstr(&w, "name", a->name);
	jw_kstr(&w, "state", state);
	jw_end_object(&w);
	return 0;
}

static void worker_state_after(struct ask *a)
{
	hub_wake_worker(a->server, a->name);
	peers_tell_workers(a->server);
	ask_answer(a, 200);
}

void worker_state_route(struct ask *a)
{
	static const char *const fields[] = { "state", NULL };
	struct err e = ERR_INIT;
	const char *state = "";
	const json_t *body = ask_body(a, fields, &e);
	if (body && json_get_str(body, "state", "", &state, &e) == 0 && worker_state_parse(state) < 0)
		err_set(&e, ERR_INVALID, "state must be active, draining or disabled");
	if (e.code) {
		ask_fail(a, &e);
		return;
	}
	a->data = arena_strdup(a->arena, state);
	ask_write(a, worker_state_run, worker_state_after);
}

/* --- targets --- */

static int targets_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct target *targets;
	size_t n;
	if (targets_list(tx, a->arena, &targets, &n, e))
		return -1;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_key(&w, "targets");
	jw_begin_array(&w);
	for (size_t i = 0; i < n; i++)
		render_target(&targets[i], &w);
	jw_end_array(&w);
	jw_end_object(&w);
	return 0;
}

void targets_list_route(struct ask *a)
{
	ask_read(a, targets_run, NULL);
}

static int target_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct target t;
	if (targets_get(tx, a->name, a->arena, &t, e))
		return -1;
	struct json_writer w = ask_writer(a);
	render_target(&t, &w);
	return 0;
}

void target_show_route(struct ask *a)
{
	ask_read(a, target_run, NULL);
}

static int target_remove_run(struct ask *a, struct tx *tx, struct err *e)
{
	if (targets_remove(tx, a->name, e))
		return -1;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_kstr(&w, "removed", a->name);
	jw_end_object(&w);
	return 0;
}

void target_remove_route(struct ask *a)
{
	ask_write(a, target_remove_run, NULL);
}

/* --- build types --- */

void types_route(struct ask *a)
{
	struct json_writer w = ask_writer(a);
	const struct build_type *t;
	jw_begin_object(&w);
	jw_key(&w, "types");
	jw_begin_array(&w);
	for (size_t i = 0; a->server->types && (t = build_types_at(a->server->types, i)); i++) {
		if (t->is_internal)
			continue;
		jw_begin_object(&w);
		jw_kstr(&w, "name", t->name);
		jw_kstr(&w, "summary", t->summary);
		jw_key(&w, "steps");
		jw_begin_array(&w);
		for (size_t k = 0; k < t->steps_len; k++)
			jw_str(&w, t->steps[k].name);
		jw_end_array(&w);
		jw_end_object(&w);
	}
	jw_end_array(&w);
	jw_end_object(&w);
	ask_answer(a, 200);
}

/* --- check and gc --- */

enum { VIOLATIONS_SHOWN_MAX = 1000 };

struct check {
	struct json_writer w;
	int shown;
};

static void check_found(void *ctx, const char *text)
{
	struct check *c = ctx;
	if (c->shown++ < VIOLATIONS_SHOWN_MAX)
		jw_str(&c->w, text);
}

static int check_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct check c = { .w = ask_writer(a) };
	int violations;
	jw_begin_object(&c.w);
	jw_key(&c.w, "found");
	jw_begin_array(&c.w);
	if (store_check(tx, check_found, &c, &violations, e))
		return -1;
	jw_end_array(&c.w);
	jw_kint(&c.w, "violations", violations);
	jw_end_object(&c.w);
	return 0;
}

void check_route(struct ask *a)
{
	ask_read(a, check_run, NULL);
}

/* Blobs of uploads that no job names yet are left this long. */
enum { GC_GRACE_MS = 24 * 3600 * 1000 };

/* No row names the files of build types: being young keeps them. */
static void touch_type_files(struct server *s)
{
	CLEAN_FD int dir = open(blob_dir(s->store), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct build_type *t;
	for (size_t i = 0; s->types && (t = build_types_at(s->types, i)); i++)
		for (size_t k = 0; k < t->files_len; k++)
			utimensat(dir, t->files[k].sha256, NULL, 0);
}

static int gc_run(struct ask *a, struct tx *tx, struct err *e)
{
	int removed;
	int64_t bytes;
	if (blobs_gc(tx, GC_GRACE_MS, &removed, &bytes, e))
		return -1;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_kint(&w, "removed", removed);
	jw_kint(&w, "bytes", bytes);
	jw_end_object(&w);
	return 0;
}

void gc_route(struct ask *a)
{
	touch_type_files(a->server);
	ask_write(a, gc_run, NULL);
}

/* --- backup --- */

static void backup_run(struct ask *a)
{
	struct err e = ERR_INIT;
	struct backup_report r;
	if (store_backup(a->server->store, a->data, &r, &e)) {
		ask_fail(a, &e);
		return;
	}
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_kint(&w, "jobs", r.jobs);
	jw_kint(&w, "rows", r.rows);
	jw_kint(&w, "blobs", r.blobs);
	jw_kint(&w, "logs", r.logs);
	jw_end_object(&w);
	ask_answer(a, 200);
}

void backup_route(struct ask *a)
{
	static const char *const fields[] = { "to", NULL };
	struct err e = ERR_INIT;
	const char *to = "";
	const json_t *body = ask_body(a, fields, &e);
	if (body && json_get_str(body, "to", "", &to, &e) == 0 && to[0] != '/')
		err_set(&e, ERR_INVALID, "to must be the whole path of a folder, from / on");
	if (!e.code && !(a->data = arena_strdup(a->arena, to)))
		err_set(&e, ERR_NOMEM, "no memory for a path");
	if (e.code)
		ask_fail(a, &e);
	else
		offload_archive(a, backup_run);
}
