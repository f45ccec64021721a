/* workers, worker-state: who runs jobs, and whether it may go on. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
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
	{ .title = "ARCH", .importance = 50 },
	{ .title = "ISOLATIONS", .importance = 60, .width_min = 6 },
	{ .title = "TAGS", .importance = 55, .width_min = 6 },
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

static void add_worker(struct table *t, const json_t *w)
{
	char text[SHOW_BYTES];
	const char *state = field_text(w, "state");
	bool is_active = strcmp(state, "active") == 0;
	table_add(t, field_text(w, "name"));
	table_add(t, field_has(w, "quarantine") ? "quarantine"
		     : !field_bool(w, "online") ? "offline"
		     : is_active		? "online"
						: state);
	table_addf(t, "%lld/%lld", (long long)field_int(w, "running"), (long long)field_int(w, "slots"));
	table_add(t, field_text(w, "arch"));
	add_list(t, w, "isolations");
	add_list(t, w, "tags");
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
