/* workers, worker-state: who runs jobs, and whether it may go on. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/table.h"
#include "http/client.h"
#include "text/json.h"

static const struct table_column columns[] = {
	{ .title = "NAME", .importance = 100, .width_min = 8 },
	{ .title = "STATE", .importance = 90, .is_coloured = true },
	{ .title = "RUNNING", .importance = 80, .is_right = true },
	{ .title = "JOBS", .importance = 75, .width_min = 8 },
	{ .title = "LOAD", .importance = 45, .is_right = true },
	{ .title = "CACHE", .importance = 25, .is_right = true },
	{ .title = "FREE", .importance = 42, .is_right = true },
	{ .title = "ARCH", .importance = 50 },
	{ .title = "ISOLATIONS", .importance = 60, .width_min = 6 },
	{ .title = "TAGS", .importance = 55, .width_min = 6 },
	{ .title = "ZONES", .importance = 35, .width_min = 6 },
	{ .title = "FAILURES", .importance = 30, .is_right = true },
	{ .title = "SEEN", .importance = 40 },
	{ .title = "VERSION", .importance = 20 },
};

static void add_list(struct table *t, const json_t *worker, const char *key)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	for (size_t i = 0; i < field_count(worker, key); i++) {
		const char *part = json_string_value(field_at(worker, key, i));
		buf_addf(&text, "%s%s", i ? " " : "", part ? part : "");
	}
	table_add(t, text.data);
}

/* Longest running first: what hangs is seen. */
static void add_jobs(struct table *t, const json_t *worker)
{
	enum { SHOWN = 3 };
	CLEAN_BUF struct buf text = BUF_INIT;
	char age[SHOW_BYTES];
	size_t n = field_count(worker, "jobs");
	for (size_t i = 0; i < n && i < SHOWN; i++) {
		const json_t *job = field_at(worker, "jobs", i);
		int64_t ms = clock_wall_ms() - field_time(job, "started");
		buf_addf(&text, "%s%lld %s", i ? ", " : "", (long long)field_int(job, "id"),
			 show_duration(ms > 0 ? ms : 0, age));
	}
	if (n > SHOWN)
		buf_addf(&text, " and %zu more", n - SHOWN);
	table_add(t, text.data);
}

/* "1.2G/25.0G" */
static void add_pair(struct table *t, const json_t *pair, const char *first, const char *second)
{
	char a[SHOW_BYTES], b[SHOW_BYTES];
	if (!json_is_object(pair))
		table_add(t, "");
	else if (second)
		table_addf(t, "%s/%s", show_size(field_int(pair, first), a),
			   show_size(field_int(pair, second), b));
	else
		table_add(t, show_size(field_int(pair, first), a));
}

static void add_load(struct table *t, const json_t *worker)
{
	const json_t *load = json_object_get(worker, "load");
	if (json_is_number(load))
		table_addf(t, "%.2f", json_number_value(load));
	else
		table_add(t, "");
}

static void add_worker(struct table *t, const json_t *w)
{
	char text[SHOW_BYTES];
	const char *state = field_text(w, "state");
	bool is_active = strcmp(state, "active") == 0;
	table_add(t, field_text(w, "name"));
	table_add(t, field_has(w, "quarantine")	 ? "quarantine"
		     : !field_bool(w, "online")	 ? "offline"
		     : field_bool(w, "disk_low") ? "full"
		     : is_active		 ? "online"
						 : state);
	table_addf(t, "%lld/%lld", (long long)field_int(w, "running"), (long long)field_int(w, "slots"));
	add_jobs(t, w);
	add_load(t, w);
	add_pair(t, json_object_get(w, "cache"), "used", "max");
	add_pair(t, json_object_get(w, "disk"), "free", NULL);
	table_add(t, field_text(w, "arch"));
	add_list(t, w, "isolations");
	add_list(t, w, "tags");
	add_list(t, w, "zones");
	table_addf(t, "%lld", (long long)field_int(w, "failures"));
	table_add(t, show_time(field_time(w, "beat"), text));
	table_add(t, field_text(w, "version"));
}

/* Reasons are sentences: below the table. */
static void print_quarantines(const json_t *answer)
{
	char text[SHOW_BYTES];
	for (size_t i = 0; i < field_count(answer, "workers"); i++) {
		const json_t *w = field_at(answer, "workers", i), *q = json_object_get(w, "quarantine");
		const char *name = field_text(w, "name");
		if (json_is_object(q))
			printf("\n%s is in quarantine since %s and gets no work: %s\nTo give it another chance:"
			       " slipway worker-state %s active\n",
			       name, show_time(field_time(q, "since"), text), field_text(q, "reason"), name);
	}
}

static void print_full_disks(const json_t *answer)
{
	char has[SHOW_BYTES], wants[SHOW_BYTES];
	for (size_t i = 0; i < field_count(answer, "workers"); i++) {
		const json_t *w = field_at(answer, "workers", i), *disk = json_object_get(w, "disk");
		if (field_bool(w, "disk_low") && field_bool(w, "online"))
			printf("\n%s takes no jobs: its disk has %s free, less than %s (worker --min-free)\n",
			       field_text(w, "name"), show_size(field_int(disk, "free"), has),
			       show_size(field_int(disk, "min"), wants));
	}
}

int cmd_workers(struct cli *c, struct err *e)
{
	CLEAN_JSON json_t *answer = api_get(c->api, "/v1/workers", NULL, e);
	if (!answer)
		return -1;
	if (args_has(&c->args, "json")) {
		show_json(json_object_get(answer, "workers"));
		return 0;
	}
	if (field_count(answer, "workers") == 0) {
		fputs("slipway: no worker has ever come\n", stderr);
		return 0;
	}
	struct table t CLEAN(table_release);
	table_init(&t, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < field_count(answer, "workers"); i++)
		add_worker(&t, field_at(answer, "workers", i));
	table_print(&t);
	print_quarantines(answer);
	print_full_disks(answer);
	return 0;
}

int cmd_worker_state(struct cli *c, struct err *e)
{
	static const char *const states[] = { "active", "draining", "disabled" };
	const char *state = c->args.words[1];
	bool is_known = false;
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		is_known = is_known || strcmp(states[i], state) == 0;
	if (!is_known)
		return err_set(e, ERR_USAGE, "worker-state: active, draining or disabled, not %s", state);
	CLEAN_BUF struct buf path = BUF_INIT;
	CLEAN_BUF struct buf body = BUF_INIT;
	buf_adds(&path, "/v1/workers/");
	client_add_escaped(&path, c->args.words[0]);
	struct json_writer w;
	jw_init(&w, &body);
	jw_begin_object(&w);
	jw_kstr(&w, "state", state);
	jw_end_object(&w);
	CLEAN_JSON json_t *answer = api_post(c->api, path.data, &body, NULL, e);
	return answer ? 0 : -1;
}
