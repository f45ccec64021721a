/* list: the jobs, newest first. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/job_rows.h"
#include "http/client.h"
#include "text/json.h"

enum { LIMIT_DEFAULT = 50, PAGE_MAX = 1000 };

/* The filters as a query, but for `before` and `limit`. */
static void add_filters(const struct args *a, struct buf *query)
{
	static const char *const texts[] = { "kind", "owner", "worker", "name", "target", "chain" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (args_has(a, texts[i])) {
			buf_addf(query, "&%s=", texts[i]);
			client_add_escaped(query, args_text(a, texts[i], ""));
		}
	const char *state, *separator = "&state=";
	for (size_t i = 0; (state = args_next(a, "state", &i)); separator = ",") {
		buf_adds(query, separator);
		client_add_escaped(query, state);
	}
}

/* Appends a page to `all`; *before is where the next one begins, 0 = there is none. */
static int get_page(struct cli *c, const char *filters, int64_t limit, int64_t *before, json_t *all,
		    struct err *e)
{
	CLEAN_BUF struct buf path = BUF_INIT;
	buf_addf(&path, "/v1/jobs?limit=%lld", (long long)limit);
	if (*before)
		buf_addf(&path, "&before=%lld", (long long)*before);
	buf_adds(&path, filters);
	CLEAN_JSON json_t *page = buf_check(&path, e) < 0 ? NULL : api_get(c->api, path.data, NULL, e);
	if (!page)
		return -1;
	*before = field_count(page, "jobs") > 0 ? field_int(page, "next") : 0;
	json_array_extend(all, json_object_get(page, "jobs"));
	return 0;
}

int cmd_list(struct cli *c, struct err *e)
{
	int64_t limit = args_int(&c->args, "limit", LIMIT_DEFAULT), before = args_int(&c->args, "before", 0);
	if (limit < 1)
		return err_set(e, ERR_USAGE, "list: --limit is at least 1");
	CLEAN_BUF struct buf filters = BUF_INIT;
	add_filters(&c->args, &filters);
	CLEAN_JSON json_t *all = json_array();
	do {
		int64_t left = limit - (int64_t)json_array_size(all);
		if (get_page(c, filters.data, left > PAGE_MAX ? PAGE_MAX : left, &before, all, e) < 0)
			return -1;
	} while (before && (int64_t)json_array_size(all) < limit);
	if (args_has(&c->args, "json")) {
		show_json(all);
		return 0;
	}
	if (json_array_size(all) == 0)
		fputs("slipway: no such jobs\n", stderr);
	else
		job_rows_print(all);
	return 0;
}
