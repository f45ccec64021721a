/* artifacts: the files that an attempt produced. */
#include <stdio.h>

#include "base/clean.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/artifacts.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/table.h"
#include "text/json.h"

static const struct table_column columns[] = {
	{ .title = "SIZE", .importance = 90, .is_right = true },
	{ .title = "NAME", .importance = 100, .width_min = 16 },
	{ .title = "TRY", .importance = 10, .is_right = true },
	{ .title = "SHA256", .importance = 20 },
};

json_t *artifacts_get(struct cli *c, int64_t *id, struct err *e)
{
	char path[96];
	int64_t attempt = args_int(&c->args, "attempt", 0);
	if (api_parse_id(c->args.words[0], id, e) < 0)
		return NULL;
	int n = snprintf(path, sizeof path, "/v1/jobs/%lld/artifacts", (long long)*id);
	if (args_has(&c->args, "attempt"))
		snprintf(path + n, sizeof path - (size_t)n, "?attempt=%lld", (long long)attempt);
	CLEAN_JSON json_t *answer = api_get(c->api, path, NULL, e);
	return answer ? json_incref(json_object_get(answer, "artifacts")) : NULL;
}

int cmd_artifacts(struct cli *c, struct err *e)
{
	int64_t id;
	CLEAN_JSON json_t *artifacts = artifacts_get(c, &id, e);
	if (!artifacts)
		return -1;
	if (args_has(&c->args, "json")) {
		show_json(artifacts);
		return 0;
	}
	if (json_array_size(artifacts) == 0) {
		fprintf(stderr, "slipway: job %lld has produced no files\n", (long long)id);
		return 0;
	}
	struct table t CLEAN(table_release);
	table_init(&t, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < json_array_size(artifacts); i++) {
		const json_t *a = json_array_get(artifacts, i);
		char text[SHOW_BYTES];
		table_add(&t, show_size(field_int(a, "size"), text));
		table_add(&t, field_text(a, "name"));
		table_addf(&t, "%lld", (long long)field_int(a, "attempt"));
		table_add(&t, field_text(a, "sha256"));
	}
	table_print(&t);
	return 0;
}
