/* submit: one job by its command, or many by --batch; the numbers on stdout. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/submission.h"
#include "http/client.h"
#include "text/json.h"

enum { BATCH_MAX_BYTES = 256 * 1024 * 1024 };

static int read_batch(const char *path, struct buf *out, struct err *e)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int rc = fd_read_file(AT_FDCWD, is_stdin ? "/dev/stdin" : path, BATCH_MAX_BYTES, out, e);
	return rc < 0 ? err_wrap(e, "--batch %s", path) : 0;
}

static int print_ids(const struct buf *answer, struct err *e)
{
	CLEAN_JSON json_t *json = json_parse("the server's answer", answer->data, answer->len, e);
	const json_t *ids;
	if (!json || json_get_array(json, "ids", &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(ids); i++)
		printf("%lld\n", (long long)json_integer_value(json_array_get(ids, i)));
	for (size_t i = 0; i < field_count(json, "warnings"); i++) {
		const char *text = json_string_value(field_at(json, "warnings", i));
		fprintf(stderr, "slipway: %s\n", text ? text : "");
	}
	return 0;
}

static int submit_batch(struct cli *c, const char *path, struct err *e)
{
	if (c->args.words_len > 0)
		return err_set(e, ERR_USAGE, "submit: either a command or --batch");
	for (size_t i = 0; i < c->args.values_len; i++) {
		const char *name = c->args.values[i].row->name;
		if (strcmp(name, "batch") != 0 && strcmp(name, "server") != 0)
			return err_set(e, ERR_USAGE,
				       "submit: --%s has no use with --batch: each line says it", name);
	}
	CLEAN_BUF struct buf body = BUF_INIT;
	if (read_batch(path, &body, e) < 0)
		return -1;
	struct client_request q = { .method = "POST",
				    .path = "/v1/jobs",
				    .content_type = "application/x-ndjson",
				    .body = body.data,
				    .body_len = body.len };
	CLEAN_REPLY struct client_reply reply = CLIENT_REPLY_INIT;
	if (client_do(c->api->client, &q, &reply, e) < 0)
		return err_wrap(e, "--batch %s", path);
	return print_ids(&reply.body, e);
}

int cmd_submit(struct cli *c, struct err *e)
{
	const char *batch = args_text(&c->args, "batch", NULL);
	if (batch)
		return submit_batch(c, batch, e);
	if (c->args.words_len == 0)
		return err_set(e, ERR_USAGE, "submit: what to run is missing: CMD…, or --batch FILE");
	struct submission s CLEAN(submission_release);
	int64_t id;
	submission_begin(&s, c->api);
	submission_add_argv(&s, &c->args);
	if (submission_add_options(&s, &c->args, e) < 0 || submission_send(&s, &id, e) < 0)
		return -1;
	printf("%lld\n", (long long)id);
	return 0;
}
