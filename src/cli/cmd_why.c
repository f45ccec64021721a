/* why: what keeps a job in its state, as a chain of causes, and what would move it on. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/term.h"
#include "text/json.h"

static void print_line(const char *before, const char *text)
{
	CLEAN_BUF struct buf safe = BUF_INIT;
	term_add_safe(&safe, text, strlen(text));
	printf("%s%s\n", before, safe.data);
}

static void print_why(const json_t *why)
{
	char before[64];
	const char *state = field_text(why, "state");
	bool is_past = strcmp(state, "failed") == 0 || strcmp(state, "succeeded") == 0;
	snprintf(before, sizeof before, "job %lld %s%s: ", (long long)field_int(why, "id"),
		 is_past ? "" : "is ", state);
	print_line(before, field_text(why, "summary"));
	for (size_t i = 0; i < field_count(why, "causes"); i++)
		print_line("  - ", field_text(field_at(why, "causes", i), "text"));
	if (field_has(why, "next"))
		print_line("  to move it on: ", field_text(why, "next"));
}

int cmd_why(struct cli *c, struct err *e)
{
	CLEAN_FREE int64_t *ids = NULL;
	size_t n = 0;
	for (size_t i = 0; i < c->args.words_len; i++)
		if (api_parse_ids(c->args.words[i], &ids, &n, e) < 0)
			return -1;
	CLEAN_JSON json_t *all = json_array();
	for (size_t i = 0; i < n; i++) {
		char path[64];
		snprintf(path, sizeof path, "/v1/jobs/%lld/why", (long long)ids[i]);
		json_t *why = api_get(c->api, path, NULL, e);
		if (!why)
			return -1;
		json_array_append_new(all, why);
		if (!args_has(&c->args, "json"))
			print_why(why);
	}
	if (args_has(&c->args, "json"))
		show_json(n == 1 ? json_array_get(all, 0) : all);
	return 0;
}
