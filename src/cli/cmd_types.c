/* types: the build types that the server knows. */
#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/table.h"
#include "text/json.h"

static const struct table_column columns[] = {
	{ .title = "TYPE", .importance = 100 },
	{ .title = "SUMMARY", .importance = 90, .width_min = 10 },
	{ .title = "STEPS", .importance = 50, .width_min = 10 },
};

int cmd_types(struct cli *c, struct err *e)
{
	CLEAN_JSON json_t *answer = api_get(c->api, "/v1/types", NULL, e);
	if (!answer)
		return -1;
	if (args_has(&c->args, "json")) {
		show_json(json_object_get(answer, "types"));
		return 0;
	}
	struct table t CLEAN(table_release);
	table_init(&t, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < field_count(answer, "types"); i++) {
		const json_t *type = field_at(answer, "types", i);
		CLEAN_BUF struct buf steps = BUF_INIT;
		for (size_t k = 0; k < field_count(type, "steps"); k++) {
			const json_t *step = field_at(type, "steps", k);
			buf_addf(&steps, "%s%s", k ? " " : "",
				 json_is_string(step) ? json_string_value(step) : field_text(step, "name"));
		}
		table_add(&t, field_text(type, "name"));
		table_add(&t, field_text(type, "summary"));
		table_add(&t, steps.data);
	}
	table_print(&t);
	return 0;
}
