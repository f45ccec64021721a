/* admin owner, admin owners: what is set for owners. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/table.h"
#include "cli/term.h"
#include "http/client.h"
#include "text/json.h"

static const struct table_column columns[] = {
	{ .title = "OWNER", .importance = 100, .width_min = 8 },
	{ .title = "WEIGHT", .importance = 90, .is_right = true },
	{ .title = "RUNNING", .importance = 80, .is_right = true },
	{ .title = "MOST", .importance = 70, .is_right = true },
	{ .title = "ZONE", .importance = 60 },
};

static void print_owners(const json_t *const *owners, size_t n)
{
	struct table t CLEAN(table_release);
	table_init(&t, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < n; i++) {
		int64_t most = field_int(owners[i], "running_max");
		const char *zone = field_text(owners[i], "zone");
		table_add(&t, field_text(owners[i], "name"));
		table_addf(&t, "%lld", (long long)field_int(owners[i], "weight"));
		table_addf(&t, "%lld", (long long)field_int(owners[i], "running"));
		if (most)
			table_addf(&t, "%lld", (long long)most);
		else
			table_add(&t, "-");
		table_add(&t, *zone ? zone : "default");
	}
	table_print(&t);
}

int admin_owners(struct cli *c, struct err *e)
{
	CLEAN_JSON json_t *answer = api_get(c->api, "/v1/owners", NULL, e);
	if (!answer)
		return -1;
	if (args_has(&c->args, "json")) {
		show_json(json_object_get(answer, "owners"));
		return 0;
	}
	size_t n = field_count(answer, "owners");
	CLEAN_FREE const json_t **rows = calloc(n + 1, sizeof(*rows));
	for (size_t i = 0; rows && i < n; i++)
		rows[i] = field_at(answer, "owners", i);
	if (!rows)
		return err_set(e, ERR_NOMEM, "out of memory");
	print_owners(rows, n);
	return 0;
}

int admin_owner(struct cli *c, struct err *e)
{
	static const struct {
		const char *option, *key;
	} numbers[] = { { "weight", "weight" }, { "running", "running_max" } };
	if (c->args.words_len != 2)
		return err_set(e, ERR_USAGE, "admin owner: NAME is missing");
	CLEAN_BUF struct buf path = BUF_INIT;
	CLEAN_BUF struct buf body = BUF_INIT;
	buf_adds(&path, "/v1/owners/");
	client_add_escaped(&path, c->args.words[1]);
	struct json_writer w;
	jw_init(&w, &body);
	jw_begin_object(&w);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (args_has(&c->args, numbers[i].option))
			jw_kint(&w, numbers[i].key, args_int(&c->args, numbers[i].option, 0));
	if (args_has(&c->args, "zone")) {
		const char *zone = args_text(&c->args, "zone", "");
		jw_kstr(&w, "zone", strcmp(zone, "default") == 0 ? "" : zone);
	}
	jw_end_object(&w);
	CLEAN_JSON json_t *answer = api_post(c->api, path.data, &body, NULL, e);
	if (!answer)
		return -1;
	if (args_has(&c->args, "json"))
		show_json(answer);
	else
		print_owners(&(const json_t *){ answer }, 1);
	return 0;
}
