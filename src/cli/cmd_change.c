/* cancel, retry, rerun, suspend, resume, priority: many jobs in one call. The command's name is that of the route. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/parse.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/term.h"
#include "model/job.h"
#include "text/json.h"

enum { IDS_A_CALL = 10000 };

static void say_result(const struct cli *c, const json_t *result)
{
	if (field_has(result, "new"))
		printf("%lld\n", (long long)field_int(result, "new"));
	if (field_bool(result, "ok"))
		return;
	const json_t *error = json_object_get(result, "error");
	const char *message = field_text(error, "message");
	CLEAN_BUF struct buf safe = BUF_INIT;
	term_add_safe(&safe, message, strlen(message));
	fprintf(stderr, "slipway: %s job %lld: %s\n", c->command->name, (long long)field_int(result, "id"),
		safe.data);
}

static int collect_ids(const struct cli *c, size_t words, int64_t **ids, size_t *n, struct err *e)
{
	for (size_t i = 0; i < words; i++)
		if (api_parse_ids(c->args.words[i], ids, n, e) < 0)
			return -1;
	return 0;
}

/* One call; its results go to `all`. `priority` NULL: not said. */
static int change_some(struct cli *c, const int64_t *ids, size_t n, const int64_t *priority, json_t *all,
		       struct err *e)
{
	CLEAN_BUF struct buf body = BUF_INIT;
	struct json_writer w;
	jw_init(&w, &body);
	jw_begin_object(&w);
	jw_key(&w, "ids");
	jw_begin_array(&w);
	for (size_t i = 0; i < n; i++)
		jw_int(&w, ids[i]);
	jw_end_array(&w);
	if (priority)
		jw_kint(&w, "priority", *priority);
	jw_end_object(&w);
	char path[64];
	snprintf(path, sizeof path, "/v1/jobs/%s", c->command->name);
	CLEAN_JSON json_t *answer = api_post(c->api, path, &body, NULL, e);
	if (!answer)
		return -1;
	json_array_extend(all, json_object_get(answer, "results"));
	return 0;
}

/* The first `words` words are ids. */
static int change(struct cli *c, size_t words, const int64_t *priority, struct err *e)
{
	CLEAN_FREE int64_t *ids = NULL;
	size_t n = 0;
	if (collect_ids(c, words, &ids, &n, e) < 0)
		return -1;
	CLEAN_JSON json_t *all = json_array();
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i += IDS_A_CALL)
		rc = change_some(c, ids + i, n - i < IDS_A_CALL ? n - i : IDS_A_CALL, priority, all, e);
	/* What was done before a call failed is told all the same. */
	int status = 0;
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *result = json_array_get(all, i);
		if (!args_has(&c->args, "json"))
			say_result(c, result);
		if (!field_bool(result, "ok"))
			status = err_info_get(ERR_CONFLICT)->exit_status;
	}
	if (args_has(&c->args, "json"))
		show_json(all);
	return rc < 0 ? -1 : status;
}

int cmd_change(struct cli *c, struct err *e)
{
	return change(c, c->args.words_len, NULL, e);
}

int cmd_priority(struct cli *c, struct err *e)
{
	size_t words = c->args.words_len;
	int64_t priority = args_int(&c->args, "priority", 0);
	if (!args_has(&c->args, "priority")) {
		if (words < 2)
			return err_set(e, ERR_USAGE, "priority: the new priority is missing: --priority N");
		if (parse_int("priority", c->args.words[--words], JOB_PRIORITY_MIN, JOB_PRIORITY_MAX,
			      &priority, e) < 0) {
			e->code = ERR_USAGE;
			return -1;
		}
	}
	return change(c, words, &priority, e);
}
