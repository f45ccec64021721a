/* target: root images. Making and updating them are jobs; the rest asks or tells the server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/follow.h"
#include "cli/submission.h"
#include "cli/table.h"
#include "http/client.h"
#include "text/json.h"

typedef int target_fn(struct cli *c, char **names, size_t n, struct err *e);

/* ---- jobs */

static int submit_make(struct cli *c, const char *mode, const char *name, int64_t *id, struct err *e)
{
	struct submission s CLEAN(submission_release);
	const struct args *a = &c->args;
	submission_begin(&s, c->api);
	jw_kstr(&s.json, "kind", "target");
	jw_kstr(&s.json, "target", name);
	jw_key(&s.json, "make");
	jw_begin_object(&s.json);
	jw_kstr(&s.json, "mode", mode);
	if (args_has(a, "suite"))
		jw_kstr(&s.json, "suite", args_text(a, "suite", NULL));
	if (args_has(a, "arch"))
		jw_kstr(&s.json, "arch", args_text(a, "arch", NULL));
	if (args_has(a, "component")) {
		CLEAN_BUF struct buf joined = BUF_INIT;
		const char *value;
		for (size_t i = 0; (value = args_next(a, "component", &i));)
			buf_addf(&joined, "%s%s", joined.len ? "," : "", value);
		jw_kstr(&s.json, "components", joined.data);
	}
	submission_add_names(&s, a, "include", "include");
	jw_end_object(&s.json);
	if (submission_send(&s, id, e) < 0)
		return err_wrap(e, "target %s %s", mode, name);
	printf("%lld\n", (long long)*id);
	return 0;
}

static int target_create(struct cli *c, char **names, size_t n, struct err *e)
{
	int64_t id;
	if (n != 1)
		return err_set(e, ERR_USAGE, "target create: one NAME");
	if (!args_has(&c->args, "suite"))
		return err_set(e, ERR_USAGE, "target create: --suite is missing, such as --suite bookworm");
	if (submit_make(c, "create", names[0], &id, e) < 0)
		return -1;
	return follow_if_asked(c, &id, 1, e);
}

static int target_update(struct cli *c, char **names, size_t n, struct err *e)
{
	if (n == 0)
		return err_set(e, ERR_USAGE, "target update: which? NAME…");
	if (args_has(&c->args, "suite") || args_has(&c->args, "arch") || args_has(&c->args, "component") ||
	    args_has(&c->args, "include"))
		return err_set(e, ERR_USAGE,
			       "target update: it keeps its suite, architecture and components");
	CLEAN_FREE int64_t *ids = calloc(n, sizeof *ids);
	if (!ids)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (submit_make(c, "update", names[i], &ids[i], e) < 0)
			return -1;
	return follow_if_asked(c, ids, n, e);
}

/* ---- the rest */

static const struct table_column columns[] = {
	{ .title = "NAME", .importance = 100, .width_min = 12 },
	{ .title = "STATE", .importance = 90, .is_coloured = true },
	{ .title = "SUITE", .importance = 60 },
	{ .title = "ARCH", .importance = 50 },
	{ .title = "SIZE", .importance = 40, .is_right = true },
	{ .title = "UPDATED", .importance = 70 },
	{ .title = "JOB", .importance = 30, .is_right = true },
	{ .title = "IMAGE", .importance = 20, .width_min = 12 },
};

static void add_target(struct table *t, const json_t *target)
{
	char text[SHOW_BYTES];
	table_add(t, field_text(target, "name"));
	table_add(t, field_text(target, "state"));
	table_add(t, field_text(target, "suite"));
	table_add(t, field_text(target, "arch"));
	table_add(t, field_int(target, "image_size") ? show_size(field_int(target, "image_size"), text) : "");
	table_add(t, show_time(field_time(target, "updated"), text));
	if (field_int(target, "job"))
		table_addf(t, "%lld", (long long)field_int(target, "job"));
	else
		table_add(t, "");
	table_addf(t, "%.12s", field_text(target, "image"));
}

static int target_list(struct cli *c, char **names, size_t n, struct err *e)
{
	(void)names;
	if (n > 0)
		return err_set(e, ERR_USAGE, "target list: takes no names; target show does");
	CLEAN_JSON json_t *answer = api_get(c->api, "/v1/targets", NULL, e);
	if (!answer)
		return -1;
	if (args_has(&c->args, "json")) {
		show_json(json_object_get(answer, "targets"));
		return 0;
	}
	if (field_count(answer, "targets") == 0) {
		fputs("slipway: no targets yet; slipway target create NAME --suite SUITE makes one\n",
		      stderr);
		return 0;
	}
	struct table t CLEAN(table_release);
	table_init(&t, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < field_count(answer, "targets"); i++)
		add_target(&t, field_at(answer, "targets", i));
	table_print(&t);
	return 0;
}

static json_t *call_target(struct cli *c, const char *method, const char *name, struct err *e)
{
	CLEAN_BUF struct buf path = BUF_INIT;
	buf_adds(&path, "/v1/targets/");
	client_add_escaped(&path, name);
	if (buf_check(&path, e) < 0)
		return NULL;
	return api_call(c->api, method, path.data, NULL, e);
}

static int target_show(struct cli *c, char **names, size_t n, struct err *e)
{
	if (n == 0)
		return err_set(e, ERR_USAGE, "target show: which? NAME…");
	CLEAN_JSON json_t *all = json_array();
	struct table t CLEAN(table_release);
	table_init(&t, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < n; i++) {
		json_t *target = call_target(c, "GET", names[i], e);
		if (!target)
			return -1;
		json_array_append_new(all, target);
		add_target(&t, target);
	}
	if (args_has(&c->args, "json"))
		show_json(n == 1 ? json_array_get(all, 0) : all);
	else
		table_print(&t);
	return 0;
}

static int target_remove(struct cli *c, char **names, size_t n, struct err *e)
{
	if (n == 0)
		return err_set(e, ERR_USAGE, "target remove: which? NAME…");
	for (size_t i = 0; i < n; i++) {
		CLEAN_JSON json_t *answer = call_target(c, "DELETE", names[i], e);
		if (!answer)
			return -1;
	}
	return 0;
}

int cmd_target(struct cli *c, struct err *e)
{
	static const struct {
		const char *name;
		target_fn *run;
	} rows[] = {
		{ "create", target_create }, { "list", target_list },	  { "show", target_show },
		{ "update", target_update }, { "remove", target_remove },
	};
	const char *what = c->args.words_len > 0 ? c->args.words[0] : "list";
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, what) == 0)
			return rows[i].run(c, c->args.words + (c->args.words_len > 0),
					   c->args.words_len - (c->args.words_len > 0), e);
	return err_set(e, ERR_USAGE, "target: %s, not %s", c->command->arguments, what);
}
