/* admin events: what happened, newest first. */
#include <stdio.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/table.h"
#include "http/client.h"
#include "text/json.h"

enum { LIMIT_DEFAULT = 50, PAGE_MAX = 1000 };

static const struct table_column columns[] = {
	{ .title = "WHEN", .importance = 90 },
	{ .title = "WHO", .importance = 70, .width_min = 8 },
	{ .title = "WHAT", .importance = 100, .width_min = 8 },
	{ .title = "HOW", .importance = 80, .width_min = 20 },
};

static void add_event(struct table *t, const json_t *v)
{
	char when[SHOW_BYTES];
	CLEAN_BUF struct buf how = BUF_INIT;
	const char *to = field_text(v, "to"), *from = field_text(v, "from"),
		   *reason = field_text(v, "reason"), *detail = field_text(v, "detail");
	table_add(t, show_time(field_time(v, "at"), when));
	table_add(t, field_text(v, "actor"));
	table_add(t, field_text(v, "subject"));
	buf_addf(&how, "%s%s%s", from, *from ? " to " : "", to);
	if (*reason)
		buf_addf(&how, " (%s)", reason);
	buf_addf(&how, "%s%s", *to && *detail ? ": " : "", detail);
	table_add(t, how.data);
}

/* Appends a page to `all`; *after is where the next one begins, "" = there is none. */
static int get_page(struct cli *c, int64_t limit, struct buf *after, json_t *all, struct err *e)
{
	CLEAN_BUF struct buf path = BUF_INIT;
	buf_addf(&path, "/v1/events?limit=%lld", (long long)limit);
	if (after->len) {
		buf_adds(&path, "&after=");
		client_add_escaped(&path, after->data);
	}
	CLEAN_JSON json_t *page = buf_check(&path, e) < 0 ? NULL : api_get(c->api, path.data, NULL, e);
	if (!page)
		return -1;
	buf_reset(after);
	buf_adds(after, field_text(page, "next"));
	json_array_extend(all, json_object_get(page, "events"));
	return 0;
}

int admin_events(struct cli *c, struct err *e)
{
	int64_t limit = args_int(&c->args, "limit", LIMIT_DEFAULT);
	CLEAN_BUF struct buf after = BUF_INIT;
	if (limit < 1)
		return err_set(e, ERR_USAGE, "admin events: --limit is at least 1");
	CLEAN_JSON json_t *all = json_array();
	do {
		int64_t left = limit - (int64_t)json_array_size(all);
		if (get_page(c, left > PAGE_MAX ? PAGE_MAX : left, &after, all, e) < 0)
			return -1;
	} while (after.len && (int64_t)json_array_size(all) < limit);
	if (args_has(&c->args, "json")) {
		show_json(all);
		return 0;
	}
	struct table t CLEAN(table_release);
	table_init(&t, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < json_array_size(all); i++)
		add_event(&t, json_array_get(all, i));
	table_print(&t);
	return 0;
}
